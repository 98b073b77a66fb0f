"""A schema without references admits what it admitted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from cf_llama.protocol.inlining import inline
from cf_llama.protocol.json_schema import tool_definition
from tests.schemas import OBJECTS, PARAMETERS, SCHEMAS, VALUES, valid

TREE = {
    "type": "object",
    "description": "A tree",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["value"],
}


def words(schema):
    return set(json.dumps(schema).replace('"', " ").split())


@given(SCHEMAS, VALUES)
def test_admits_exactly_what_was_admitted(schema, value):
    sent = inline(schema)
    assert not {"$ref", "$defs", "nullable"} & words(sent)
    assert valid(sent, value) == valid(schema, value)


@given(PARAMETERS, OBJECTS)
def test_parameters_of_a_tool_admit_exactly_what_was_declared(parameters, value):
    sent = tool_definition({"name": "f", "parameters": parameters})["function"]["parameters"]
    assert valid(sent, value) == valid(parameters, value)
    assert sent["type"] == "object"
    assert all(schema["description"] for schema in sent["properties"].values())


@given(VALUES)
def test_nullable_admits_null_besides(value):
    sent = inline({"type": "integer", "minimum": 1, "nullable": True})
    assert valid(sent, value) == (value is None or valid({"type": "integer", "minimum": 1}, value))


AT_ROOT = {**TREE, "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}}}


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}}, AT_ROOT])
def test_of_a_type_that_holds_itself_one_level_of_children_is_told(schema):
    sent = inline(schema)
    child = sent["properties"]["children"]["items"]
    assert child["properties"]["value"] == {"type": "integer"}
    assert child["required"] == ["value"]
    assert child["properties"]["children"] == {"type": "array", "items": {"type": "object"}}
    for tree in ({"value": 1}, {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}):
        assert valid(sent, tree)
    assert not valid(sent, {"value": 1, "children": [{"value": "2"}]})


def test_types_that_hold_each_other_are_told_to_the_level_of_children():
    company = {"type": "object", "properties": {"staff": {"type": "array", "items": {"$ref": "#/$defs/Person"}}}}
    person = {"type": "object", "properties": {"name": {"type": "string"}, "job": {"$ref": "#/$defs/Company"}}}
    sent = inline({"$ref": "#/$defs/Person", "$defs": {"Company": company, "Person": person}})
    colleague = sent["properties"]["job"]["properties"]["staff"]["items"]
    assert colleague["properties"]["name"] == {"type": "string"}
    assert colleague["properties"]["job"] == {"type": "object"}


def test_many_types_that_hold_each_other_stay_small():
    names = [f"Type{number}" for number in range(20)]
    union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    types = {name: {"type": "object", "properties": {"of": union}} for name in names}
    sent = inline({"type": "object", "properties": {"root": union}, "$defs": types})
    assert len(json.dumps(sent)) < 100_000
    assert all(branch["properties"]["of"]["anyOf"] for branch in sent["properties"]["root"]["anyOf"])


@pytest.mark.parametrize("to", ["https://example.com/town.json", "#/$defs/Nowhere", "#anchor"])
def test_a_reference_that_leads_nowhere_stands_for_anything(to):
    assert inline({"properties": {"a": {"$ref": to, "description": "Where"}}}) == {
        "properties": {"a": {"description": "Where"}}
    }


def test_any_place_of_the_document_can_be_referred_to():
    schema = {
        "properties": {"a/b": {"type": "integer"}, "c": {"$ref": "#/properties/a~1b"}, "d": {"$ref": "#/anyOf/1"}},
        "anyOf": [True, {"required": ["c"]}],
    }
    sent = inline(schema)
    assert sent["properties"]["c"] == {"type": "integer"}
    assert sent["properties"]["d"] == {"required": ["c"]}


def test_data_are_no_schemas():
    schema = {
        "dependentRequired": {"title": ["nullable"]},
        "discriminator": {"propertyName": "kind"},
        "x-note": {"title": 1},
    }
    assert inline(schema) == {"dependentRequired": {"title": ["nullable"]}, "x-note": {"title": 1}}
