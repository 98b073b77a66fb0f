"""Whether a JSON schema admits a value, as JSON Schema 2020-12 says it, with lists of `items` and OpenAPI's `nullable`.

One thing is taken more strictly: 4.0 is no integer, since Python's 4.0 is none where an integer is needed. `format`,
`unevaluatedItems` and `unevaluatedProperties` admit everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cf_llama.protocol.references import target_of

_NAMELESS = {"patternProperties", "additionalProperties"}
_KINDS: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


def kind_of(value: Any) -> str:
    """The type that JSON Schema gives a value; `number` is one with a fraction or an exponent."""
    return _KINDS.get(type(value), "")


def admits(schema: Any, value: Any, root: Any) -> bool:
    """Whether a value is valid under a schema.

    Args:
        schema: A JSON schema, or true or false.
        value: Parsed JSON.
        root: The schema that references are resolved in.
    """
    if not isinstance(schema, Mapping):
        return schema is not False
    if value is None and schema.get("nullable") is True:
        return True
    checks = _OF_KIND.get(type(value), _CHECKS)
    for keyword in checks.keys() & schema.keys():
        try:
            if not checks[keyword](schema[keyword], value, schema, root):
                return False
        except (TypeError, AttributeError):  # a keyword that does not hold what it must says nothing
            continue
    return True


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where true is not 1, but 1.0 is."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def schemas_of(name: str, schema: Mapping[str, Any]) -> list[Any]:
    """The schemas that the value of a property is held to."""
    properties = schema.get("properties", {})
    found = [properties[name]] if name in properties else []
    found += [item for pattern, item in schema.get("patternProperties", {}).items() if _matches(pattern, name)]
    if not found and "additionalProperties" in schema:
        found.append(schema["additionalProperties"])
    return found


def schema_at(position: int, schema: Mapping[str, Any]) -> Any:
    """The schema that an item of a list is held to."""
    items = schema.get("items", True)
    first, rest = (items, schema.get("additionalItems", True)) if isinstance(items, list) else ((), items)
    first = schema.get("prefixItems", first)
    return first[position] if position < len(first) else rest


def _matches(pattern: Any, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except (re.error, TypeError):  # not every pattern of JavaScript's is one of Python's
        return True


def _type(declared: Any, value: Any, *_: Any) -> bool:
    kind = _KINDS.get(type(value), "")
    types = declared if type(declared) is list else (declared,)
    return kind in types or (kind == "integer" and "number" in types)


def _if(condition: Any, value: Any, schema: Mapping[str, Any], root: Any) -> bool:
    return admits(schema.get("then" if admits(condition, value, root) else "else"), value, root)


def _multiple(step: Any, value: Any, *_: Any) -> bool:
    if isinstance(step, int) and isinstance(value, int):
        return value % step == 0
    try:
        return bool((value / step).is_integer())
    except OverflowError:
        return False


def _contains(declared: Any, value: list[Any], schema: Mapping[str, Any], root: Any) -> bool:
    count = sum(admits(declared, item, root) for item in value)
    return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", len(value)))


def _unique(declared: Any, value: list[Any], *_: Any) -> bool:
    return not declared or not any(equal(one, other) for at, one in enumerate(value) for other in value[:at])


def _dependencies(declared: Any, value: dict[str, Any], _: Any, root: Any) -> bool:
    held = (needs for name, needs in declared.items() if name in value)
    return all(value.keys() >= set(n) if isinstance(n, list) else admits(n, value, root) for n in held)


def _properties(_: Any, value: dict[str, Any], schema: Mapping[str, Any], root: Any) -> bool:
    if not schema.keys() & _NAMELESS:  # as it is nearly always
        of_name = schema["properties"]
        return all(admits(of_name[name], value[name], root) for name in of_name if name in value)
    return all(admits(held, item, root) for name, item in value.items() for held in schemas_of(name, schema))


def _items(_: Any, value: list[Any], schema: Mapping[str, Any], root: Any) -> bool:
    return all(admits(schema_at(position, schema), item, root) for position, item in enumerate(value))


_Check = Callable[[Any, Any, Mapping[str, Any], Any], bool]
_CHECKS: Mapping[str, _Check] = {
    "$ref": lambda to, value, _, root: admits(target_of(to, root), value, root),
    "type": _type,
    "enum": lambda values, value, *_: any(equal(each, value) for each in values),
    "const": lambda only, value, *_: equal(only, value),
    "anyOf": lambda branches, value, _, root: any(admits(branch, value, root) for branch in branches),
    "oneOf": lambda branches, value, _, root: sum(admits(branch, value, root) for branch in branches) == 1,
    "allOf": lambda branches, value, _, root: all(admits(branch, value, root) for branch in branches),
    "not": lambda other, value, _, root: not admits(other, value, root),
    "if": _if,
}
_OF_NUMBERS: Mapping[str, _Check] = {
    "minimum": lambda least, value, *_: bool(value >= least),
    "maximum": lambda most, value, *_: bool(value <= most),
    "exclusiveMinimum": lambda below, value, *_: isinstance(below, bool) or bool(value > below),
    "exclusiveMaximum": lambda above, value, *_: isinstance(above, bool) or bool(value < above),
    "multipleOf": _multiple,
}
_OF_TEXTS: Mapping[str, _Check] = {
    "minLength": lambda least, value, *_: len(value) >= least,
    "maxLength": lambda most, value, *_: len(value) <= most,
    "pattern": lambda pattern, value, *_: _matches(pattern, value),
}
_OF_LISTS: Mapping[str, _Check] = {
    "items": _items,
    "prefixItems": _items,
    "minItems": lambda least, value, *_: len(value) >= least,
    "maxItems": lambda most, value, *_: len(value) <= most,
    "contains": _contains,
    "uniqueItems": _unique,
}
_OF_OBJECTS: Mapping[str, _Check] = {
    "properties": _properties,
    "patternProperties": _properties,
    "additionalProperties": _properties,
    "required": lambda names, value, *_: all(name in value for name in names),
    "minProperties": lambda least, value, *_: len(value) >= least,
    "maxProperties": lambda most, value, *_: len(value) <= most,
    "propertyNames": lambda held, value, _, root: all(admits(held, name, root) for name in value),
    "dependentRequired": _dependencies,
    "dependentSchemas": _dependencies,
    "dependencies": _dependencies,
}
_OF_KIND: Mapping[type, Mapping[str, _Check]] = {
    int: {**_CHECKS, **_OF_NUMBERS},
    float: {**_CHECKS, **_OF_NUMBERS},
    str: {**_CHECKS, **_OF_TEXTS},
    list: {**_CHECKS, **_OF_LISTS},
    dict: {**_CHECKS, **_OF_OBJECTS},
}
