"""Schemas in the form that the service takes, meaning what they meant."""

from __future__ import annotations

import copy
import pickle

import pytest

from cf_llama import InvalidRequestError
from cf_llama.protocol.json_schema import declared_parameters, inline, response_format, tool_definition


def parameter(schema, **rest):
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"some_name": schema}, **rest}}
    return tool_definition(tool)["function"]["parameters"]["properties"]["some_name"]


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "integer", "description": "How many"}, {"type": "integer", "description": "How many"}),
        ({"type": "integer"}, {"type": "integer", "description": "some name"}),
        ({"type": "integer", "description": False}, {"type": "integer", "description": "some name"}),
        ({}, {"description": "some name"}),
        (True, {"description": "some name"}),
        (False, {"not": {}, "description": "some name"}),
        ({"const": "a"}, {"type": "string", "const": "a", "description": "some name"}),
        ({"enum": [1, 1.5]}, {"type": "number", "enum": [1, 1.5], "description": "some name"}),
        ({"enum": ["auto", 1]}, {"enum": ["auto", 1], "description": "some name"}),
        ({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2], "description": "some name"}),
        ({"items": {}}, {"items": {}, "description": "some name"}),
        (
            {"type": ["string", "null"], "minLength": 1},
            {"anyOf": [{"type": "string"}, {"type": "null"}], "minLength": 1, "description": "some name"},
        ),
        (
            {"type": "string", "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "some name"},
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "Some Name"},
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "some name"},
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "description": "some name"},
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "number"}]},
            {"type": "number", "anyOf": [{"type": "integer"}, {"type": "number"}], "description": "some name"},
        ),
        ({"allOf": [{"type": "object"}], "default": {}}, {"type": "object", "default": {}, "description": "some name"}),
        (
            {"allOf": [{"minLength": 1}, {"type": "string"}]},
            {"type": "string", "allOf": [{"minLength": 1}, {"type": "string"}], "description": "some name"},
        ),
    ],
)
def test_every_parameter_has_a_description_and_its_type_if_it_is_one(schema, sent):
    assert parameter(schema) == sent


def test_a_reference_is_written_out():
    town = {"type": "object", "title": "Town", "properties": {"name": {"type": "string", "title": "Name"}}}
    assert parameter({"$ref": "#/$defs/Town", "description": "Where"}, **{"$defs": {"Town": town}}) == {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "description": "Where",
    }


def test_properties_may_be_named_like_keywords():
    properties = {"title": {"type": "string"}, "$defs": {"type": "string"}, "definitions": {"type": "string"}}
    assert inline({"type": "object", "properties": properties, "title": "T"})["properties"] == properties


def test_values_are_no_schemas():
    schema = {"enum": [{"title": "x"}], "default": {"title": "x"}, "const": {"title": "x"}}
    assert inline(schema) == schema


def test_the_schema_that_was_given_is_left_as_it_is():
    given = {"type": "object", "title": "T", "properties": {"a": {"type": ["string", "null"], "title": "A"}}}
    before = repr(given)
    inline(given)
    assert repr(given) == before


@pytest.mark.parametrize(
    "wrap", [lambda bare: bare, lambda bare: {"type": "function", "function": bare}], ids=["bare", "wrapped"]
)
def test_both_forms_of_a_tool_are_one(wrap):
    parameters = {"type": "object", "properties": {"a": {"type": "string", "description": "A"}}, "required": ["a", "b"]}
    sent = tool_definition(wrap({"name": "f", "description": "Does", "parameters": parameters}))
    assert sent == {"type": "function", "function": {"name": "f", "description": "Does", "parameters": parameters}}


def test_a_tool_needs_only_a_name():
    assert tool_definition({"name": "f"})["function"] == {
        "name": "f",
        "description": "f",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize(
    "tool",
    [
        {},
        {"name": ""},
        {"name": None},
        {"name": "a b"},
        {"name": "x" * 65},
        {"function": "f"},
        {"name": "f", "parameters": [1]},
        {"name": "f", "parameters": {"type": "string"}},
        {"name": "f", "parameters": {"type": "object", "properties": []}},
    ],
)
def test_a_tool_that_cannot_be_right_is_refused(tool):
    with pytest.raises(InvalidRequestError, match="tools"):
        tool_definition(tool)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_schema", "json_schema": SCHEMA}, {"type": "json_schema", "json_schema": SCHEMA}),
        (
            {"type": "json_schema", "json_schema": {"name": "A", "strict": True, "schema": SCHEMA}},
            {"type": "json_schema", "json_schema": SCHEMA},
        ),
    ],
)
def test_json_mode_is_sent_with_the_bare_schema(given, sent):
    assert response_format(given) == sent
    assert response_format(sent) == sent


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("type", 5),
        ("type", [{}]),
        ("properties", ["a"]),
        ("properties", {"a": 5}),
        ("required", True),
        ("required", [{}]),
        ("enum", "a"),
        ("anyOf", [5]),
        ("oneOf", {}),
        ("$defs", None),
    ],
)
@pytest.mark.parametrize(
    "nest",
    [lambda bad: bad, lambda bad: {"items": [bad]}, lambda bad: {"properties": {"b": bad}}],
    ids=["outermost", "in a list", "in a property"],
)
def test_a_keyword_that_does_not_hold_what_it_must_is_refused(keyword, value, nest):
    with pytest.raises(InvalidRequestError, match=r"^json_schema .*" + keyword.replace("$", r"\$")):
        inline(nest({keyword: value}))


def test_schemas_may_be_written_in_every_legal_way():
    properties = {"type": {"enum": ("a", None)}, "required": True, "enum": {"default": {"type": 5}, "items": True}}
    schema = {"type": "object", "properties": properties, "required": ("type",)}
    assert inline(schema) == schema


@pytest.mark.parametrize("given", ["json", None, {}, {"type": "text"}, {"type": "json_schema"}])
def test_any_other_format_is_refused(given):
    with pytest.raises(InvalidRequestError, match="response_format must be"):
        response_format(given)


def test_a_definition_is_made_once():
    once = tool_definition({"name": "f", "parameters": {"type": "object", "properties": {"a_b": {"title": "A"}}}})
    assert tool_definition(once) is once
    assert tool_definition(dict(once)) == once


def test_a_definition_knows_what_was_declared():
    parameters = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"nullable": True}}}
    definition = tool_definition({"name": "f", "parameters": parameters})
    assert declared_parameters(definition) == parameters
    assert declared_parameters(pickle.loads(pickle.dumps(definition))) == parameters
    assert declared_parameters(copy.deepcopy(definition)) == parameters
    assert declared_parameters(dict(definition)) == definition["function"]["parameters"]
