"""Arguments brought to the declared types, and left alone where they are not JSON."""

from __future__ import annotations

import json

import pytest

from cf_llama.protocol.tool_arguments import object_of, tool_call


def coerce(value, schema, *, required=False):
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"] if required else []}
    return tool_call("id", "f", json.dumps({"a": value}), parameters)


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("4", {"type": "integer"}, 4),
        (" 4 ", {"type": "integer"}, 4),
        (4.0, {"type": "integer"}, 4),
        ("4.0", {"type": "integer"}, 4),
        ("4.5", {"type": "integer"}, "4.5"),
        ("4.5", {"type": "number"}, 4.5),
        ("1e3", {"type": "number"}, 1000.0),
        ("many", {"type": "number"}, "many"),
        ("true", {"type": "number"}, "true"),
        ("True", {"type": "boolean"}, True),
        ("false", {"type": "boolean"}, False),
        ("yes", {"type": "boolean"}, "yes"),
        (4, {"type": "string"}, "4"),
        ("4", {"type": "string"}, "4"),
        (True, {"type": "string"}, True),
        ('{"b": "1"}', {"type": "object", "properties": {"b": {"type": "integer"}}}, {"b": 1}),
        ('["1", "2"]', {"type": "array", "items": {"type": "integer"}}, [1, 2]),
        (["1"], {"type": "array"}, ["1"]),
        ("a, b", {"type": "array"}, "a, b"),
        ("7", {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, 7),
        ("7", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "7"),
        (True, {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, True),
        ("null", {"type": "string"}, "null"),
        ("null", {"type": "string", "nullable": True}, "null"),
        ("null", {"type": "integer", "nullable": True}, None),
        (None, {"type": "integer", "nullable": True}, None),
        ("4", {}, "4"),
        ("4", True, "4"),
    ],
)
def test_brings_values_to_the_declared_type(value, schema, expected):
    call = coerce(value, schema)
    assert call.arguments == {"a": expected}
    assert type(call.arguments["a"]) is type(expected)
    assert json.loads(call.text) == call.arguments
    assert call.error is None


@pytest.mark.parametrize("value", ["null", "None", None], ids=repr)
def test_null_leaves_an_optional_argument_out(value):
    assert coerce(value, {"type": "integer"}).arguments == {}
    assert coerce(value, {"type": "integer"}, required=True).arguments == {"a": value}


def test_a_nullable_argument_that_is_required_is_null_when_absent():
    parameters = {"type": "object", "properties": {"a": {"type": "string", "nullable": True}}, "required": ["a"]}
    assert tool_call("id", "f", "{}", parameters).arguments == {"a": None}


@pytest.mark.parametrize("text", ["", " ", "null", "{}"])
def test_nothing_means_no_arguments(text):
    call = tool_call("id", "f", text, None)
    assert (call.arguments, json.loads(call.text), call.error) == ({}, {}, None)


def test_arguments_that_fit_stay_as_they_were_written():
    text = '{"a":1.50, "b":"ü"}'
    parameters = {"type": "object", "properties": {"a": {"type": "number"}}}
    assert tool_call("id", "f", text, parameters).text == text


@pytest.mark.parametrize(
    "text", ['{"a": 1', "a=1", "[1]", "4", '"text"', '{"a": 1} {"b": 2}', '{"a": NaN}', '{"a": [-Infinity]}']
)
def test_anything_but_an_object_is_reported_as_it_was_written(text):
    call = tool_call("id", "f", text, {"type": "object", "properties": {}})
    assert (call.id, call.name, call.arguments, call.text) == ("id", "f", {}, text)
    assert call.error


def test_digits_stay_as_they_were_written_beside_what_is_brought_to_its_type():
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
    call = tool_call("id", "f", '{"a": "4", "b": 1.10, "c": 20240101000000000000000.5}', parameters)
    assert call.arguments == {"a": 4, "b": "1.10", "c": 20240101000000000000000.5}
    assert call.text == '{"a": 4, "b": "1.10", "c": 20240101000000000000000.5}'


@pytest.mark.parametrize("text", ['{"a": "\ud83d\ude00"}', r'{"a": "\ud83d\ude00"}'])
def test_a_character_in_two_halves_is_one(text):
    assert tool_call("id", "f", text, None).arguments == {"a": "😀"}


@pytest.mark.parametrize("text", ['{"a": "\ud83d"}', r'{"a": "\ud83d"}', r'{"a": "\uDE00"}'])
def test_a_half_of_a_character_is_replaced(text):
    call = tool_call("id", "f", text, {"type": "object", "properties": {"a": {"type": "string"}}})
    assert (call.arguments, json.loads(call.text)) == ({"a": "\ufffd"}, {"a": "\ufffd"})
    assert call.text.encode()


def test_arguments_of_the_history_are_an_object_and_broken_ones_fit_no_tool():
    assert object_of('{"a": 1.5}') == {"a": 1.5}
    assert object_of("") == {}
    broken = object_of('{"a": 1')
    assert broken["invalid_json"] == '{"a": 1'
    assert broken["error"].startswith("the arguments are not valid JSON")
    assert object_of('{"a": NaN}')["invalid_json"] == '{"a": NaN}'
