"""Values brought to what is declared, and to nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.protocol import json_values
from cf_llama.protocol.coercion import read
from tests.schemas import PARAMETERS, SCHEMAS, VALUES, identical, valid


@given(SCHEMAS | PARAMETERS, VALUES)
def test_a_value_that_is_admitted_stays_what_it_is(schema, value):
    if valid(schema, value):
        found, text = read(json.dumps(value), schema)
        assert identical(value, found)
        assert identical(json.loads(text), found)


@given(SCHEMAS, VALUES.filter(lambda value: not isinstance(value, list | dict)))
def test_any_other_comes_to_be_admitted_or_stays_as_it_was_written(schema, value):
    if not valid(schema, value):
        found, text = read(json.dumps(value), schema)
        assert valid(schema, found) or identical(value, found)
        assert identical(json.loads(text), found)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(NUMBERS, st.sampled_from([{"type": "string"}, {"type": ["string", "null"]}, {"pattern": ".", "type": "string"}]))
def test_a_number_that_becomes_text_keeps_its_digits(number, schema):
    parameters = {"properties": {"a": schema, "b": {"items": schema}, "c": {}}}
    found, text = read(f'{{"a": {number}, "b": [{number}], "c": {number}}}', parameters)
    assert (found["a"], found["b"]) == (number, [number])
    assert text == f'{{"a": "{number}", "b": ["{number}"], "c": {number}}}'


@pytest.mark.parametrize(
    ("text", "schema", "found"),
    [
        ("1.10", {"type": "string"}, "1.10"),
        ("20240101000000000000000.5", {"type": "string"}, "20240101000000000000000.5"),
        ("1e400", {"type": "string"}, "1e400"),
        ("3", {}, 3),
        ('"3"', {}, "3"),
        ("3", True, 3),
        ("2", {"enum": ["auto", 1, 2]}, 2),
        ('"2"', {"enum": ["auto", 1, 2]}, 2),
        ("2", {"enum": ["1", "2"]}, "2"),
        ('"7"', {"const": 7}, 7),
        ("3", {"anyOf": [{"type": "integer"}, {"type": "number"}]}, 3),
        ("3.0", {"anyOf": [{"type": "integer"}, {"type": "number"}]}, 3.0),
        ("3.0", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 3),
        ('"2.50"', {"anyOf": [{"type": "integer"}, {"type": "number"}]}, 2.5),
        ('"4.5"', {"type": "integer"}, "4.5"),
        ('"1e3"', {"type": "integer"}, 1000),
        ("1e400", {"type": "integer"}, float("inf")),
        ('"1e400"', {"type": "number"}, "1e400"),
        ('"NaN"', {"type": "number"}, "NaN"),
        ('"{\\"a\\": NaN}"', {"type": "object"}, '{"a": NaN}'),
        ("5", {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 10}]}, "5"),
        ("12345678901234567890.12", {"type": ["number", "string"]}, "12345678901234567890.12"),
        ("12345678901234567890.12", {"type": "number"}, 12345678901234567890.12),
        ("12345678901234567890.12", {}, 12345678901234567890.12),
        ("1.10", {"type": ["number", "string"]}, 1.1),
        (
            '{"a": "4", "b": "x"}',
            {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
            {"a": 4, "b": "x"},
        ),
        ('{"a": "4"}', {"additionalProperties": {"type": "integer"}}, {"a": 4}),
        ('{"a": "4"}', {"patternProperties": {"a": {"type": "integer"}}}, {"a": 4}),
        ('["4", "5"]', {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, [4, "5"]),
        ('["4", "5"]', {"items": [{"type": "integer"}, {"type": "string"}]}, [4, "5"]),
        ('"[\\"4\\"]"', {"type": "array", "items": {"type": "integer"}}, [4]),
        ('{"a": "4"}', {"allOf": [{"properties": {"a": {"type": "integer"}}}]}, {"a": 4}),
        ('"4"', {"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 4),
        ('"4"', {"$ref": "#"}, "4"),
        (
            '{"n": "1", "kids": [{"n": "2", "kids": [{"n": "3", "kids": [{"n": "4"}]}]}]}',
            {"properties": {"n": {"type": "integer"}, "kids": {"items": {"$ref": "#"}}}},
            {"n": 1, "kids": [{"n": 2, "kids": [{"n": 3, "kids": [{"n": 4}]}]}]},
        ),
    ],
)
def test_goes_by_what_is_declared(text, schema, found):
    value, written = read(text, schema)
    assert value == found
    assert type(value) is type(found)
    assert json.loads(written) == found


OPTIONAL = {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}]}


@pytest.mark.parametrize("said", ["null", "None", "Null"])
@pytest.mark.parametrize("schema", [{"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {}], ids=str)
def test_text_stays_text_where_text_is_declared(said, schema):
    assert read(json.dumps({"a": said}), {"properties": {"a": schema}})[0] == {"a": said}


@pytest.mark.parametrize("said", [None, "null", "None"], ids=repr)
def test_null_in_words_is_null_where_only_null_is_declared(said):
    for schema in (OPTIONAL, {"type": ["integer", "null"]}, {"type": "integer", "nullable": True}):
        assert read(json.dumps({"a": said}), {"properties": {"a": schema}})[0] == {"a": None}


@pytest.mark.parametrize("said", [None, "null", "None"], ids=repr)
def test_null_leaves_a_property_out_where_it_is_not_declared(said):
    schema = {"properties": {"a": {"type": "integer"}}}
    assert read(json.dumps({"a": said}), schema)[0] == {}
    assert read(json.dumps({"a": said}), {**schema, "required": ["a"]})[0] == {"a": said}


def test_what_is_required_and_missing_is_null_only_where_the_schema_names_it():
    schema = {"properties": {"a": OPTIONAL, "b": {}, "c": {"type": "integer"}}, "required": ["a", "b", "c"]}
    assert read("{}", schema)[0] == {"a": None}


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', "NaN", '{"a"'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(json_values.InvalidJSON):
        read(text, {})


def test_deep_unions_are_read_in_a_time_that_grows_with_the_text():
    names = ["and", "or", "not", "xor"]
    union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in (*names, "leaf")]}
    held = {name: {"type": "object", "properties": {"op": {"const": name}, "of": union}} for name in names}
    value, found = "4", 4
    for _ in range(40):
        value, found = {"op": "xor", "of": value}, {"op": "xor", "of": found}
    schema = union | {"$defs": held | {"leaf": {"type": "integer"}}}
    assert read(json.dumps(value), schema)[0] == found


TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["value"],
    "additionalProperties": False,
}
TREES = st.deferred(
    lambda: st.fixed_dictionaries({"value": st.integers()}, optional={"children": st.lists(TREES, max_size=2)})
)


def in_words(tree):
    return {"value": str(tree["value"]), "children": list(map(in_words, tree.get("children", [])))}


def with_children(tree):
    return {"value": tree["value"], "children": list(map(with_children, tree.get("children", [])))}


@given(TREES)
def test_a_type_that_holds_itself_is_read_to_its_last_level(tree):
    assert read(json.dumps(tree), TREE)[0] == tree
    assert read(json.dumps(in_words(tree)), TREE)[0] == with_children(tree)
