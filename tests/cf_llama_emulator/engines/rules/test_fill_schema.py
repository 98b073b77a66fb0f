"""Schemas filled from a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cf_llama_emulator.engines.rules.fill_schema import fill


def one(schema, text):
    return fill({"type": "object", "properties": {"it": schema}, "required": ["it"]}, text)["it"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "Take 3 of the 10", 3),
        ({"type": "integer"}, "It is -7 degrees", -7),
        ({"type": "integer"}, "10-5 is what?", 10),
        ({"type": "integer"}, "none", 0),
        ({"type": "integer", "minimum": 1}, "none", 1),
        ({"type": "integer", "exclusiveMinimum": 1}, "none", 2),
        ({"type": "integer", "maximum": 5}, "Take 9", 5),
        ({"type": "integer", "exclusiveMaximum": 5}, "Take 9", 4),
        ({"type": "number"}, "It costs 1.50.", 1.5),
        ({"type": "boolean"}, "Please send it", True),
        ({"type": "boolean"}, "Do not send it", False),
        ({"type": "null"}, "x", None),
        ({"type": "string"}, "Greet 'Ann Lee' twice", "Ann Lee"),
        ({"type": "string"}, 'Say "good bye" now', "good bye"),
        ({"type": "string"}, "What time is it in New York?", "New York"),
        ({"type": "string"}, "what time is it in the old town?", "old town"),
        ({"type": "string"}, "tell me more", "it: tell me more"),
        ({"type": "array", "items": {"type": "string"}}, "who lives in 'Rome'", ["Rome"]),
        ({"type": "string", "minLength": 20}, "Greet 'Ann'", "Ann................."),
        ({"type": "string", "maxLength": 2}, "Greet 'Ann'", "An"),
        ({"type": "string", "enum": ["celsius", "fahrenheit"]}, "in Fahrenheit, please", "fahrenheit"),
        ({"enum": ["celsius", "fahrenheit"]}, "how warm is it?", "celsius"),
        ({"const": 7}, "3", 7),
        ({"type": "string", "format": "date"}, "on 2024-05-06 at noon", "2024-05-06"),
        ({"type": "string", "format": "email"}, "write to a.b@c.example, please", "a.b@c.example"),
        ({"type": ["null", "integer"]}, "4", 4),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "4", 4),
        ({"allOf": [{"type": "integer"}, {"minimum": 9}]}, "4", 9),
        ({"type": "array", "items": {"type": "integer"}}, "Sum 1, 2 and 3", [1, 2, 3]),
        ({"type": "array", "items": {"type": "string"}}, "Buy 'milk' and 'bread'", ["milk", "bread"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, "Sum 1, 2 and 3", [1, 2]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, "1", [1, 0]),
        ({"properties": {"a": {"type": "integer"}}}, "1", {"a": 1}),
        ({"required": ["a"], "additionalProperties": {"type": "integer"}}, "1", {"a": 1}),
        ({"items": {"type": "integer"}}, "1 2", [1, 2]),
        ({"prefixItems": [{"type": "integer"}, {"type": "string"}]}, "'x' 5", [5, "x"]),
        ({"enum": [None, "a"]}, "none", "a"),
        ({"enum": [None]}, "none", None),
        ({"type": "object", "anyOf": [{"properties": {"a": {"type": "integer"}}}]}, "1", {"a": 1}),
        (
            {
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
                "allOf": [{"properties": {"b": {"type": "integer"}}, "required": ["b"]}],
            },
            "1 2",
            {"a": 1, "b": 2},
        ),
        ({"type": "string", "minLength": 2.0, "maxLength": 3.0}, "'x'", "x."),
        ({}, "say 'x'", "x"),
    ],
)
def test_a_value(schema, text, value):
    assert one(schema, text) == value


def test_each_number_and_name_is_used_once_in_order():
    schema = {
        "type": "object",
        "properties": {
            "start": {"type": "string"},
            "end": {"type": "string"},
            "day": {"type": "integer"},
            "trip": {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]},
        },
        "required": ["start", "end", "day", "trip"],
    }
    text = "Book a flight from Paris to New York on day 3 for 2 people."
    assert fill(schema, text) == {"start": "Paris", "end": "New York", "day": 3, "trip": {"people": 2}}


def test_a_property_that_asks_for_the_text_gets_it():
    schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    assert fill(schema, "Who built 'Rome'?") == {"query": "Who built 'Rome'?"}


def test_optional_properties_are_left_out_and_all_filled_where_none_is_named():
    properties = {"a": {"type": "integer"}, "b": {"type": "integer"}}
    assert fill({"type": "object", "properties": properties, "required": ["b"]}, "1") == {"b": 1}
    assert fill({"type": "object", "properties": properties, "required": []}, "1") == {}
    assert fill({"type": "object", "properties": properties}, "1") == {"a": 1, "b": 0}


def test_references_are_followed_and_recursion_ends_well():
    node = {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["value", "next"],
    }
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node, "loop": {"$ref": "#/$defs/loop"}}}
    assert Draft202012Validator(schema).is_valid(fill(schema, "1 2 3"))
    assert fill({"$ref": "#/$defs/loop", "$defs": schema["$defs"]}, "'x'") == "x"


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("#/nowhere", "x"),
        ("https://example.com/other", "x"),
        ("#anchor", "x"),
        ("#/$defs/a~1b", 4),
        ("#/$defs/%63", 4),
        ("#/$defs/list/anyOf/0", 4),
        ("#/$defs/list/anyOf/7", "x"),
        ("#/$defs/list/anyOf/x", "x"),
        ("#/examples/0", "x"),
        ("#/$defs/name/title/0", "x"),
    ],
)
def test_a_reference(reference, value):
    integer = {"type": "integer"}
    schema = {
        "properties": {"it": {"$ref": reference}},
        "examples": [{"minimum": "no schema"}],
        "$defs": {"a/b": integer, "c": integer, "list": {"anyOf": [integer]}, "name": {"title": "t"}},
    }
    assert fill(schema, "'x' 4") == {"it": value}


def test_parts_that_refer_to_the_whole_over_and_over_come_to_an_end():
    assert fill({"type": "integer", "allOf": [{"$ref": "#"}] * 50}, "3") == 3


NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={"minimum": st.integers(-9, 0), "maximum": st.integers(1, 9)},
)
STRINGS = st.fixed_dictionaries(
    {"type": st.just("string")}, optional={"minLength": st.integers(0, 5), "maxLength": st.integers(5, 9)}
)
LEAVES = st.one_of(
    NUMBERS,
    STRINGS,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": ["a", 1, None]}, {"const": {"x": 1}}]),
)


def nested(children):
    objects = st.dictionaries(st.sampled_from("abcd"), children).flatmap(
        lambda properties: st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.just(properties)},
            optional={"required": st.lists(st.sampled_from([*properties, "other"]), unique=True)},
        )
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": children},
        optional={"minItems": st.integers(0, 2), "maxItems": st.integers(2, 4)},
    )
    unions = st.fixed_dictionaries({"anyOf": st.lists(children, min_size=1, max_size=3)})
    return st.one_of(objects, arrays, unions)


@given(st.recursive(LEAVES, nested, max_leaves=8), st.text(max_size=60) | st.just("Give 5 'red' apples to Ann in Rome"))
def test_what_is_filled_meets_its_schema(schema, text):
    Draft202012Validator(schema).validate(fill(schema, text))
