"""Fill a JSON schema from the words of a text: numbers, quoted words, names, or the text itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # the package ships no type information
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped] # as above

DEEPEST = 8
"""Levels of a schema that are filled; a recursive one ends here."""
_SHALLOW = 3
"""Levels on which an object that requires nothing gets all its properties, and none further down."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTED = re.compile(
    r"(?<!\w)'([^'\n]{1,200})'(?!\w)|\"([^\"\n]{1,200})\"|`([^`\n]{1,200})`|“([^“”\n]{1,200})”|「([^「」\n]{1,200})」"
)
_NAME = r"(?<=[a-z0-9,;:] )(?!I\b)[A-Z][\w'-]*(?:,? (?!I\b)[A-Z][\w'-]*)*"
_INTRODUCED = r"\b(?:in|at|for|near|about|named|called) +(?:(?:the|an?) +)?([^.,;:!?\n]{1,200})"
_NAMED = re.compile(rf"\b(?:in|at|for|near|about|named|called) +({_NAME})|({_NAME})|{_INTRODUCED}")
_DENIAL = re.compile(r"\b(?:no|not|false|never|without|don't)\b", re.IGNORECASE)
_WHOLE_TEXT = frozenset({"query", "question", "text", "input", "prompt", "q", "search", "request", "message", "topic"})
_LONGEST = 200
_MOST_ITEMS = 100
_MOST_VALUES = 1_000
_MOST_STEPS = 10_000
"""References, alternatives and parts that are followed for all values together."""
_MOST_CHARACTERS = 10_000
_MOST_DIGITS = 18
_TOLD = {"properties": "object", "required": "object", "items": "array", "prefixItems": "array", "minimum": "number"}
"""The type that a keyword tells where `type` is missing."""
_FORMATS = {
    "date": (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "2026-01-01"),
    "date-time": (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)\b"), "2026-01-01T00:00:00Z"),
    "time": (re.compile(r"\b\d\d:\d\d:\d\d\b"), "12:00:00"),
    "email": (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}\w"), "someone@example.com"),
    "uri": (re.compile(r"https?://[^\s'\"<>]+"), "https://example.com/"),
    "uuid": (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "00000000-0000-4000-8000-000000000000"),
}


def fill(schema: Mapping[str, Any], text: str) -> Any:
    """Return a value that meets `schema`, made of what `text` offers. Optional properties are left out.

    Not met are `pattern`, `multipleOf`, `not`, `if` and sizes beyond any sense.

    Raises:
        ValueError: when `schema` is no JSON schema.
    """
    if not _is_schema(json.dumps(schema, default=dict)):
        raise ValueError("this is no JSON schema")
    return _Filler(schema, text).value(schema, "answer", 0)


@lru_cache
def _is_schema(text: str) -> bool:
    try:
        Draft202012Validator.check_schema(json.loads(text))
    except (SchemaError, RecursionError):
        return False
    return True


class _Filler:
    """Takes each number, quotation and name of the text once, in order."""

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._text = text
        self._left = _MOST_VALUES
        self._steps = _MOST_STEPS
        self._numbers = [match.group() for match in _NUMBER.finditer(text)]
        self._strings: list[str] = [next(filter(None, groups)) for groups in _QUOTED.findall(text)]
        rest = _QUOTED.sub(" ", text)
        self._strings += filter(None, (next(filter(None, groups)).strip() for groups in _NAMED.findall(rest)))

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """Return a value for the property `name`."""
        self._left -= 1
        schema = self._resolved(schema, at_end=depth >= DEEPEST)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        match kind_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return ceil(self._number(schema, step=1))
            case "number":
                return self._number(schema, step=1e-6)
            case "boolean":
                return not _DENIAL.search(self._text)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _resolved(self, schema: Any, *, at_end: bool, hops: int = 0) -> Mapping[str, Any]:
        """Return `schema` with all that it refers to: `$ref`, `allOf` and one alternative of `anyOf` and `oneOf`."""
        if not isinstance(schema, Mapping) or hops > DEEPEST or self._steps <= 0:
            return {}
        self._steps -= hops > 0
        merged = dict(schema)
        parts = list(merged.pop("allOf", ()))
        if "$ref" in merged:
            parts.append(self._target(merged.pop("$ref")))
        parts += [_chosen(merged.pop(key), at_end=at_end) for key in ("anyOf", "oneOf") if key in merged]
        for part in parts:
            merged = _merged(merged, self._resolved(part, at_end=at_end, hops=hops + 1))
        return merged

    def _target(self, reference: str) -> Any:
        """Return the schema that a reference within the document points to, or one that admits anything."""
        found: Any = self._root
        for step in filter(None, unquote(reference).removeprefix("#").split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (LookupError, TypeError, ValueError):
                return {}
        return found if _is_schema(json.dumps(found, default=dict)) else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = schema.get("required", properties if depth < _SHALLOW else ())
        if depth >= DEEPEST or self._left <= 0:
            names = ()
        others = schema.get("additionalProperties")
        return {name: self.value(properties.get(name, others), name, depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        if depth >= DEEPEST or self._left <= 0:
            return []
        first, items = schema.get("prefixItems", []), schema.get("items", {})
        kind = kind_of(self._resolved(items, at_end=False))
        offered = {"integer": len(self._numbers), "number": len(self._numbers), "string": len(self._strings)}
        wanted = len(first) or offered.get(kind, 1)
        count = min(max(wanted, schema.get("minItems", 1)), schema.get("maxItems", _MOST_ITEMS), _MOST_ITEMS)
        listed = [*first, *[items] * int(count)][: int(count)]
        return [self.value(item, name, depth + 1) for item in listed]

    def _choice(self, values: list[Any]) -> Any:
        """Return the value that the text names, or the first that is not null."""
        text = self._text.lower()
        named = (value for value in values if value is not None and str(value).lower() in text)
        return next(named, next((value for value in values if value is not None), None))

    def _number(self, schema: Mapping[str, Any], step: float) -> int | float:
        lexeme = self._numbers.pop(0) if self._numbers else "0"
        value: int | float = float(lexeme) if "." in lexeme else int(lexeme[:_MOST_DIGITS])
        if "minimum" in schema:
            value = max(value, schema["minimum"])
        if "exclusiveMinimum" in schema:
            value = max(value, schema["exclusiveMinimum"] + step)
        if "maximum" in schema:
            value = min(value, schema["maximum"])
        if "exclusiveMaximum" in schema:
            value = min(value, schema["exclusiveMaximum"] - step)
        return value

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            pattern, sample = _FORMATS[schema["format"]]
            match = pattern.search(self._text)
            return match.group() if match else sample
        shortest, longest = schema.get("minLength", 1), schema.get("maxLength", _LONGEST)
        return self._words(name).ljust(int(min(shortest, _MOST_CHARACTERS)), ".")[: int(longest)]

    def _words(self, name: str) -> str:
        if name.lower() in _WHOLE_TEXT and self._text:
            return self._text
        if self._strings:
            return self._strings.pop(0)
        return f"{name.replace('_', ' ')}: {self._text}"


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the JSON type that a schema asks for; the first that is not null, `string` where it says nothing."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = next((known for key, known in _TOLD.items() if key in schema), None)
    return str(kind or "string")


def _chosen(alternatives: list[Any], *, at_end: bool) -> Any:
    """Return the first alternative that is not null; where recursion has to end, the null one."""
    fitting = [one for one in alternatives if isinstance(one, Mapping) and (one.get("type") == "null") == at_end]
    return (fitting or alternatives)[0]


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return both schemas as one; where both say something, `other` goes first, but of properties all are kept."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return both
