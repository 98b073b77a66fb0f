"""JSON schemas without references, which the service does not resolve, admitting what they admitted.

Two things cannot be said without them and admit more than they did: the second turn of a type that holds itself, and a
reference that leads out of the document. `nullable` and lists of types, on which the service fails, become unions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.references import ANNOTATIONS, target_of

_VALUES = {"default", "const", "enum", "examples", "dependentRequired"}  # hold values, which may look like schemas
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
_UNIONS = {"anyOf", "oneOf", "allOf"}
_SCHEMAS = {
    *_UNIONS, "not", "if", "then", "else", "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains",
    "additionalProperties", "unevaluatedProperties", "propertyNames",
}  # fmt: skip
_DROPPED = {"title", "$schema", "$id", "$comment", "$defs", "definitions", "discriminator"}
_Keywords_ = type | tuple[type, ...]
_KEYWORDS: Mapping[str, tuple[_Keywords_, _Keywords_]] = {  # what each must be, and what must be in it
    "type": ((str, list), str),
    "required": ((list, tuple), str),
    "enum": ((list, tuple), object),
    **dict.fromkeys(_UNIONS, (list, (Mapping, bool))),
    **dict.fromkeys(_SCHEMAS_BY_NAME, (Mapping, (Mapping, bool))),
}
_MAX = 64
"""Turns of types that hold each other; beyond that, only what they hold directly is described."""


def inline(schema: Mapping[str, Any], where: str = "json_schema") -> dict[str, Any]:
    """The same schema without references, titles, lists of types and `nullable`.

    Of a type that holds itself, the value and one level of its children are described.

    Args:
        schema: Any JSON schema.
        where: What an error calls it.

    Raises:
        InvalidRequestError: a keyword does not hold what it must.
    """
    _check(schema, where)
    return _Inliner(schema).result()


def _check(schema: Mapping[str, Any], where: str) -> None:
    for part in _parts(schema):
        for keyword in _KEYWORDS.keys() & part.keys():
            value, (form, of_items) = part[keyword], _KEYWORDS[keyword]
            items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
            if not isinstance(value, form) or not all(isinstance(item, of_items) for item in items):
                raise InvalidRequestError(f"{where} must be a JSON schema; {keyword} cannot be {value!r}")


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema in it."""
    if isinstance(schema, list):
        for item in schema:
            yield from _parts(item)
    if isinstance(schema, Mapping):
        yield schema
        for key, value in schema.items():
            if key in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
                yield from _parts(list(value.values()))
            elif key not in _VALUES:
                yield from _parts(value)


class _Inliner:
    """Inlines one schema, level by level, so that what lies near the root is described first."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._turns = 0
        self._recursive: dict[str, bool] = {}
        self._pending: deque[tuple[Mapping[str, Any], dict[str, Any], tuple[str, ...]]] = deque()

    def result(self) -> dict[str, Any]:
        """Return the schema; each one in it is written into its reserved place."""
        result: dict[str, Any] = self._schema_in_place(self._root, ("#",))
        while self._pending:
            schema, place, within = self._pending.popleft()
            place |= self._level(schema, within)
        return result

    def _schema_in_place(self, schema: Any, within: tuple[str, ...]) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        place: dict[str, Any] = {}
        self._pending.append((schema, place, within))
        return place

    def _level(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        schema = _simplified(schema)
        while "$ref" in schema:
            schema, within = self._followed(schema, within)
            schema = _simplified(schema)
        return {key: self._copy(key, value, within) for key, value in schema.items()}

    def _copy(self, key: str, value: Any, within: tuple[str, ...]) -> Any:
        if key in _SCHEMAS_BY_NAME or key == "dependencies":
            return {name: self._schema_in_place(item, within) for name, item in value.items()}
        if key not in _SCHEMAS:
            return value
        return (
            [self._schema_in_place(item, within) for item in value]
            if isinstance(value, list)
            else self._schema_in_place(value, within)
        )

    def _followed(
        self, schema: Mapping[str, Any], within: tuple[str, ...]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The schema that a reference points to, with the keywords beside it."""
        reference = str(schema["$ref"])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if not beside.keys() <= ANNOTATIONS:
            return {**beside, "allOf": [*beside.get("allOf", ()), {"$ref": reference}]}, within
        target = target_of(reference, self._root)
        if not isinstance(target, Mapping):
            target = {} if target is not False else {"not": {}}
        if self._is_described(reference, within):
            kind = target.get("type")
            return ({"type": kind} if isinstance(kind, str) else {}) | beside, within
        return {**target, **beside}, (*within, reference)

    def _is_described(self, reference: str, within: tuple[str, ...]) -> bool:
        """Whether a type was described often enough on the path to here: itself, and once more as its own child."""
        if reference in within and len(set(within)) < len(within):
            return True
        if not self._holds_itself(reference):
            return False
        self._turns += 1
        return self._turns > _MAX and len(within) > 1

    def _holds_itself(self, reference: str) -> bool:
        if reference not in self._recursive:
            seen, found = set(), [reference]
            while found and reference not in seen:
                for part in _parts(target_of(found.pop(), self._root)):
                    if isinstance(to := part.get("$ref"), str) and to not in seen:
                        seen.add(to)
                        found.append(to)
            self._recursive[reference] = reference in seen
        return self._recursive[reference]


def _simplified(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """One level without what the service rejects, with the same meaning."""
    flat = {key: value for key, value in schema.items() if key not in _DROPPED}
    if flat.get("default", ...) is None:
        del flat["default"]
    if flat.pop("nullable", False) is True:
        annotations = {key: flat.pop(key) for key in ANNOTATIONS & flat.keys()}
        return {"anyOf": [flat, {"type": "null"}], **annotations}
    if isinstance(types := flat.get("type"), list):
        del flat["type"]
        flat = _merged(flat, "anyOf", [{"type": name} for name in types])
    for key in _UNIONS & flat.keys():
        branches = flat[key]
        if len(branches) == 1 and isinstance(branches[0], Mapping) and flat.keys() <= {key, *ANNOTATIONS}:
            del flat[key]
            return _simplified({**branches[0], **flat})
    return flat


def _merged(schema: dict[str, Any], key: str, branches: list[Any]) -> dict[str, Any]:
    """A schema with one more union."""
    if key not in schema:
        return {**schema, key: branches}
    return {**schema, "allOf": [*schema.get("allOf", ()), {key: branches}]}
