"""JSON schemas and tool definitions, brought into the form that the service accepts without changing what they mean.

The model's page asks for a description on each tool and each parameter and knows neither references nor unions with
null; frameworks write all of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cf_llama.errors import InvalidRequestError

_LONGEST_NAME = 64
_TOOL_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{_LONGEST_NAME}}}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class ToolDefinition(dict[str, Any]):
    """A tool as `tool_definition` gives it, which it takes for granted when it comes again, call after call."""


def tool_name(title: str) -> str:
    """The title of a schema as the name of a tool: what no name may hold becomes `_`."""
    return _NOT_IN_NAMES.sub("_", title)[:_LONGEST_NAME]


def tool_definition(tool: Mapping[str, Any]) -> ToolDefinition:
    """A tool in the form `{"type": "function", "function": {name, description, parameters}}`.

    Args:
        tool: That form, or the bare `{name, description, parameters}`; everything but the name may be missing.

    Raises:
        InvalidRequestError: the name is missing or malformed, or the parameters are no object schema.
    """
    if isinstance(tool, ToolDefinition):
        return tool
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise InvalidRequestError(f"tools: a tool's name must be 1 to 64 of A-Z a-z 0-9 _ . -, not {name!r}")
    parameters = function.get("parameters") or {}
    is_schema = isinstance(parameters, Mapping) and isinstance(parameters.get("properties", {}), Mapping)
    if not is_schema or parameters.get("type", "object") != "object":
        raise InvalidRequestError(f'tools: the parameters of {name} must be a JSON schema of type "object"')
    description = function.get("description")
    description = description if isinstance(description, str) and description else name
    parameters = _parameters(parameters, f"tools: the parameters of {name}")
    return ToolDefinition(
        type="function", function={"name": name, "description": description, "parameters": parameters}
    )


def _parameters(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    flat = inline(schema, where)
    properties = {name: _described(name, value) for name, value in flat.get("properties", {}).items()}
    required = [name for name in flat.get("required", ()) if name in properties]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _described(name: str, schema: Any) -> dict[str, Any]:
    schema = dict(schema) if isinstance(schema, Mapping) else {}
    if isinstance(types := schema.get("type"), list):
        schema = {**schema, "anyOf": [{"type": item} for item in types]}
        del schema["type"]
    described = {"type": _type_of(schema), **schema}
    if not isinstance(described.get("description"), str) or not described["description"]:
        described["description"] = name.replace("_", " ")
    return described


def _type_of(schema: Mapping[str, Any]) -> str:
    """The type that a parameter without one has; the service wants a single word on each."""
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    branches: Sequence[Any] = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or ()
    of_branches = {branch["type"] for branch in branches if isinstance(branch, Mapping) and "type" in branch}
    of_values = {_JSON_TYPES.get(type(value), "string") for value in schema.get("enum", ())}
    return next(iter(of_branches or of_values), "string") if len(of_branches or of_values) == 1 else "string"


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "array", str: "string"}


_VALUES = {"default", "const", "enum"}  # hold values, which may look like schemas
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "$defs", "definitions"}
_Form = type | tuple[type, ...]
_KEYWORDS: Mapping[str, tuple[_Form, _Form]] = {  # what each must be, and what must be in it
    "type": ((str, list), str),
    "required": ((list, tuple), str),
    "enum": ((list, tuple), object),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), (list, Mapping)),
    **dict.fromkeys(_SCHEMAS_BY_NAME, (Mapping, (Mapping, bool))),
}


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


def inline(schema: Mapping[str, Any], where: str = "json_schema") -> dict[str, Any]:
    """The same schema without references, titles, or unions with null, which the service does not take.

    A union of one type with null becomes that type with OpenAPI's `nullable`, which the service passes over and
    `arguments` reads. A type that refers to itself becomes an unconstrained object at the second turn.

    Args:
        schema: Any JSON schema.
        where: What an error calls it.

    Raises:
        InvalidRequestError: a keyword does not hold what it must.
    """
    _check(schema, where)
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    flat = _inlined(schema, definitions, ())
    return {key: value for key, value in flat.items() if key not in {"$defs", "definitions", "$schema"}}


def _inlined(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions, within) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rsplit("/", 1)[-1]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if name in within or not isinstance(definitions.get(name), Mapping):
            return {"type": "object", **beside}
        target = _inlined(definitions[name], definitions, (*within, name))
        return {**target, **_inlined(beside, definitions, within)}
    flat: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"properties", "patternProperties"} and isinstance(value, Mapping):
            flat[key] = {name: _inlined(item, definitions, within) for name, item in value.items()}
        elif key not in {"title", "$defs", "definitions"} or not isinstance(value, str | Mapping):
            flat[key] = value if key in _VALUES else _inlined(value, definitions, within)
    return _without_null(flat)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(types := schema.get("type"), list) and "null" in types:
        real = [name for name in types if name != "null"]
        schema = {**schema, "type": real[0] if len(real) == 1 else real, "nullable": True}
    for key in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(key)
        if not isinstance(branches, list):
            continue
        real = [branch for branch in branches if branch != {"type": "null"}]
        rest = {name: value for name, value in schema.items() if name != key}
        if len(real) < len(branches):
            rest["nullable"] = True
        schema = {**real[0], **rest} if len(real) == 1 else {**rest, key: real}
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    return schema


def response_format(value: object) -> dict[str, Any]:
    """JSON mode as the service takes it: the bare schema under `json_schema` (Cloudflare docs: JSON mode).

    Args:
        value: That form, OpenAI's `{"name", "schema", "strict"}` wrapper, or `{"type": "json_object"}`.

    Raises:
        InvalidRequestError: it is none of these.
    """
    kind, schema = (value.get("type"), value.get("json_schema")) if isinstance(value, Mapping) else (None, None)
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema" or not isinstance(schema, Mapping):
        raise InvalidRequestError(
            'response_format must be {"type": "json_object"} or {"type": "json_schema", "json_schema": <JSON schema>}'
        )
    if isinstance(schema.get("schema"), Mapping):
        schema = schema["schema"]
    return {"type": "json_schema", "json_schema": inline(schema)}
