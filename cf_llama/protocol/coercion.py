"""Converts values to the types that a schema declares.

The rules, all of which go by the schema that the user declared:

- A value that the schema admits stays what it is: the surname "Null" and the text "null" where text is declared, 4
  where a number is, anything where nothing is declared. Only 4.0 becomes 4 where the type is integer, and a number
  whose digits no float holds becomes text where text is declared beside it (as pydantic does for `Decimal`).
- A value that it does not admit is read as what the model may have meant: text as a number, a boolean, an object, a
  list, or as null (`null`, `None`); a number as text, with the digits that were written. The first reading that is
  admitted counts, one that stays a number or a text before others.
- Null that is not admitted is left out where the property may be left out. A required property that is missing is null
  where the schema names null.
- Otherwise the value stays as it was written, for the tool's own validation to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from cf_llama.protocol import json_values
from cf_llama.protocol.admission import admits, kind_of, schema_at, schemas_of
from cf_llama.protocol.json_values import Lexeme
from cf_llama.protocol.references import target_of

_NULL_TEXTS = {"null", "None"}
_MANY_DIGITS = re.compile(r"\d(?:\.?\d){15}|[eE][+-]?\d{3}")
"""Of a number that a float may not hold."""
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LARGEST_EXPONENT = 308
"""Of a float; what is larger would be an integer of very many digits."""


def read(text: str, schema: Any) -> tuple[Any, str]:
    """The plain value of JSON text as a schema declares it, and its text.

    Raises:
        InvalidJSON: it is no JSON.
    """
    value = json_values.parse(text, strict=True)
    try:
        if admits(schema, value, schema) and not _MANY_DIGITS.search(text):
            return value, text
        exact = json_values.parse_exactly(text)
        found = _Coercion(schema).coerce(exact, schema)
    except RecursionError:  # the schema refers to itself at the same place
        return value, text
    found_text = json_values.dumps_exactly(found)
    return json_values.to_python(found), text if found_text == json_values.dumps_exactly(exact) else found_text


class _Coercion:
    """The reading of one text; each value is read once by each schema, however many unions lead to the two."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def coerce(self, value: Any, schema: Any) -> Any:
        """A value as a schema declares it, or as it was written; both as `json_values.parse_exactly` gives them."""
        known = self._known.get((id(value), id(schema)))
        if known is None:  # with both, so that no others come to bear their ids
            known = self._known[id(value), id(schema)] = value, schema, self._coerce(value, schema)
        return known[2]

    def _coerce(self, value: Any, schema: Any) -> Any:
        if not isinstance(schema, Mapping):
            return value
        if isinstance(value, Lexeme) and _loses_digits(value) and _declares("string", schema, self._root):
            text = str(value)
            return text if admits(schema, text, self._root) else value
        if self._admits(schema, value):
            return value
        candidates = list(self._candidates(value, schema))
        fitting = [candidate for candidate in candidates if self._admits(schema, candidate)]
        if fitting:
            return min(fitting, key=lambda candidate: _kind(candidate) != _kind(value))
        return candidates[0] if isinstance(value, dict | list) else value  # some of its items may have come to fit

    def _admits(self, schema: Any, value: Any) -> bool:
        return admits(schema, json_values.to_python(value), self._root)

    def _candidates(self, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        """What a value may mean: by the schema's own types, then by the branches of its unions."""
        always = [target_of(schema["$ref"], self._root)] if "$ref" in schema else []
        for own in self._own_candidates(value, schema):
            candidate = own
            for part in [*always, *schema.get("allOf", ())]:
                candidate = self.coerce(candidate, part)
            yield candidate
            for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
                yield self.coerce(candidate, branch)

    def _own_candidates(self, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        if isinstance(value, dict):
            yield self._object(value, schema)
            return
        if isinstance(value, list):
            yield [self.coerce(item, schema_at(position, schema)) for position, item in enumerate(value)]
            return
        types = _types(schema)
        if isinstance(value, Lexeme):
            yield from _number_candidates(value, types)
            if "string" in types:
                yield str(value)
        elif isinstance(value, str):
            for parsed in _parsed_candidates(value, types):
                yield from self._own_candidates(parsed, schema)
        yield value

    def _object(self, exact: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        required = schema.get("required", ())
        found: dict[str, Any] = {}
        for name, item in exact.items():
            value, held = item, schemas_of(name, schema)
            for each in held:
                value = self.coerce(value, each)
            is_null = value is None or (type(value) is str and value in _NULL_TEXTS)
            if not is_null or name in required or all(self._admits(each, value) for each in held):
                found[name] = value
        properties = schema.get("properties", {})
        missing = (name for name in required if name in properties and name not in exact)
        return found | {name: None for name in missing if self._declares_null(properties[name])}

    def _declares_null(self, schema: Any) -> bool:
        return _declares("null", schema, self._root) and admits(schema, None, self._root)


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The types that a schema names by itself."""
    named = schema.get("type", ())
    types = {named} if isinstance(named, str) else set(named)
    if not types:
        values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
        types = {kind_of(value) for value in values}
    return types | {"null"} if schema.get("nullable") is True else types


def _declares(kind: str, schema: Any, root: Any) -> bool:
    """Whether a schema names a type, itself or in a branch."""
    if not isinstance(schema, Mapping):
        return False
    branches = [branch for key in ("anyOf", "oneOf", "allOf") for branch in schema.get(key, ())]
    if "$ref" in schema:
        branches.append(target_of(schema["$ref"], root))
    return kind in _types(schema) or any(_declares(kind, branch, root) for branch in branches)


def _number_candidates(number: Lexeme, types: set[str]) -> Iterator[Lexeme]:
    """A number as the integer that it is, and as it is."""
    exact = Decimal(number)
    if "integer" in types and exact.adjusted() <= _LARGEST_EXPONENT and exact == exact.to_integral_value():
        yield Lexeme(int(exact))
    if "number" in types:
        yield number


def _parsed_candidates(text: str, types: set[str]) -> Iterator[Any]:
    """The values that a text may represent."""
    bare = text.strip()
    if "null" in types and text in _NULL_TEXTS:
        yield None
    if types & {"integer", "number"} and _NUMBER.fullmatch(bare) and abs(Decimal(bare).adjusted()) <= _LARGEST_EXPONENT:
        yield Lexeme(bare)
    if "boolean" in types and bare.lower() in {"true", "false"}:
        yield bare.lower() == "true"
    if types & {"object", "array"}:
        with suppress(json_values.InvalidJSON):
            if kind_of(json_values.parse(text, strict=True)) in types & {"object", "array"}:
                yield json_values.parse_exactly(text)


def _loses_digits(number: Lexeme) -> bool:
    if not any(mark in number for mark in ".eE"):
        return False
    return Decimal(number) != Decimal(repr(float(number)))


def _kind(value: Any) -> str:
    return "number" if isinstance(value, Lexeme) else kind_of(value)
