"""Random JSON schemas and values, and `jsonschema` as the judge of both."""

from __future__ import annotations

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        2,
        -3,
        1.0,
        1.5,
        4.0,
        12345678901234567890,
        1e300,
        "",
        "a",
        "bb",
        "null",
        "None",
        "Null",
        "1",
        "2.0",
        "1.10",
        "true",
        "[1]",
        '{"a": 1}',
    ],
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=6)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])
_SMALL = st.integers(0, 3)
_ANNOTATIONS = st.fixed_dictionaries(
    {}, optional={"title": st.just("T"), "description": st.just("D"), "default": SCALARS, "examples": st.just([1])}
)
_LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "minimum": st.integers(-3, 3),
        "exclusiveMaximum": st.integers(0, 9),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": _SMALL,
        "maxLength": _SMALL,
        "pattern": st.sampled_from(["^a", "l$", "[0-9]"]),
        "minItems": _SMALL,
        "maxItems": _SMALL,
        "uniqueItems": st.booleans(),
        "minProperties": _SMALL,
        "maxProperties": _SMALL,
        "required": st.lists(NAMES, max_size=2, unique=True),
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=1), max_size=1),
    },
)


def _holding(inner):
    branches, named = st.lists(inner, min_size=1, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "[bc]"]), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "prefixItems": branches,
            "contains": inner,
            "anyOf": branches,
            "oneOf": branches,
            "allOf": branches,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentSchemas": named,
        },
    )


_REFERENCES = st.sampled_from(["#/$defs/one", "#/$defs/two"]).map(lambda to: {"$ref": to})
_LEAVES = st.one_of(
    st.booleans(),
    _LIMITS,
    st.builds(lambda kind, limits: {"type": kind} | limits, _TYPES, _LIMITS),
    st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
)


def _said(inner):
    return st.builds(lambda schema, limits, said: schema | limits | said, _holding(inner), _LIMITS, _ANNOTATIONS)


def _objects(leaves):
    return st.recursive(leaves, _said, max_leaves=6).filter(lambda schema: isinstance(schema, dict))


PLAIN = _objects(_LEAVES)
SCHEMAS = st.builds(
    lambda root, one, two: root | {"$defs": {"one": one, "two": two}},
    _objects(_LEAVES | _REFERENCES | st.builds(lambda to, said: to | said, _REFERENCES, _LIMITS | _ANNOTATIONS)),
    PLAIN,
    PLAIN,
)
"""With references to two definitions that hold none."""
PARAMETERS = st.builds(
    lambda schema, properties: {**schema, "type": "object", "properties": properties},
    SCHEMAS,
    st.dictionaries(NAMES, _objects(_LEAVES | _REFERENCES), max_size=3),
)


def valid(schema, value):
    return Draft202012Validator(schema).is_valid(value)


def identical(one, other):
    """Whether two values are of the same types as well, but for 4 in the place of 4.0."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(identical(one[name], other[name]) for name in one)
    return one == other and (type(one) is type(other) or (type(one), type(other)) == (float, int))
