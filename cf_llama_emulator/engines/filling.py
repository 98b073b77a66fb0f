"""Fill a JSON schema from the words of a text: numbers, quoted words, names, or the text itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DEEPEST = 8
"""Levels of a schema that are filled; a recursive one ends here."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTED = re.compile(r"(?<!\w)'([^'\n]+)'(?!\w)|\"([^\"\n]+)\"|`([^`\n]+)`|“([^”\n]+)”|「([^」\n]+)」")
_NAME = re.compile(r"(?<=[a-z0-9,;:] )[A-Z][\w'-]*(?:,? [A-Z][\w'-]*)*")
_PLACE = re.compile(r"\b(?:in|at|for|near|about|named|called)\s+(?:the\s+|a\s+|an\s+)?([^.,;:!?\n]+)", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:no|not|false|never|without|don't)\b", re.IGNORECASE)
_WHOLE_TEXT = frozenset({"query", "question", "text", "input", "prompt", "q", "search", "request", "message", "topic"})
_LONGEST = 200
_FORMATS = {
    "date": (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "2026-01-01"),
    "date-time": (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)\b"), "2026-01-01T00:00:00Z"),
    "time": (re.compile(r"\b\d\d:\d\d:\d\d\b"), "12:00:00"),
    "email": (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+\w"), "someone@example.com"),
    "uri": (re.compile(r"https?://[^\s'\"<>]+"), "https://example.com/"),
    "uuid": (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "00000000-0000-4000-8000-000000000000"),
}


def fill(schema: Mapping[str, Any], text: str) -> Any:
    """Return a value that meets `schema`, made of what `text` offers. Optional properties are left out."""
    return _Filler(schema, text).value(schema, "answer", 0)


class _Filler:
    """Takes each number, quotation and name of the text once, in order."""

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._text = text
        self._numbers = [match.group() for match in _NUMBER.finditer(text)]
        self._strings: list[str] = [next(filter(None, groups)) for groups in _QUOTED.findall(text)]
        self._strings += [name for name in _NAME.findall(text) if not any(name in known for known in self._strings)]

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """Return a value for the property `name`."""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        match _kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return not _DENIAL.search(self._text)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """Follow `$ref`, and take the first alternative that is not null."""
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            target: Any = self._root
            for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                target = target.get(step, {}) if isinstance(target, Mapping) and step else target
            return self._resolved(target) if target is not schema else {}
        for key in ("anyOf", "oneOf"):
            for variant in schema.get(key, ()):
                if isinstance(variant, Mapping) and variant.get("type") != "null":
                    return self._resolved(variant)
        merged = dict(schema)
        for part in merged.pop("allOf", ()):
            merged |= self._resolved(part)
        return merged

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = schema.get("required", ()) if depth < DEEPEST else ()
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        items, least = schema.get("items", {}), schema.get("minItems", 0)
        if depth >= DEEPEST:
            return []
        kind = _kind(self._resolved(items))
        offered = {"integer": len(self._numbers), "number": len(self._numbers), "string": len(self._strings)}
        count = min(max(offered.get(kind, 1), least, 1), schema.get("maxItems", 100))
        return [self.value(items, name, depth + 1) for _ in range(count)]

    def _choice(self, values: list[Any]) -> Any:
        said = self._text.lower()
        return next((value for value in values if str(value).lower() in said), values[0])

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        lexeme = self._numbers.pop(0) if self._numbers else "0"
        value: int | float = float(lexeme) if "." in lexeme else int(lexeme)
        step = 1 if whole else 1e-6
        if "minimum" in schema or "exclusiveMinimum" in schema:
            value = max(value, schema.get("minimum", value), schema.get("exclusiveMinimum", value - step) + step)
        if "maximum" in schema or "exclusiveMaximum" in schema:
            value = min(value, schema.get("maximum", value), schema.get("exclusiveMaximum", value + step) - step)
        return int(value) if whole else value

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            pattern, sample = _FORMATS[schema["format"]]
            match = pattern.search(self._text)
            return match.group() if match else sample
        shortest, longest = schema.get("minLength", 1), schema.get("maxLength", _LONGEST)
        return self._words(name).ljust(shortest, ".")[:longest]

    def _words(self, name: str) -> str:
        if name.lower() in _WHOLE_TEXT and self._text:
            return self._text
        if self._strings:
            return self._strings.pop(0)
        place = _PLACE.search(self._text)
        if place:
            return place[1].strip()
        return f"{name.replace('_', ' ')}: {self._text}"


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None and "properties" in schema:
        return "object"
    return str(kind or "string")
