"""JSON schemas and tool definitions, brought into the form that the service accepts without changing what they mean.

The model's page asks for a description and a single type on each parameter. Where a parameter admits values of several
types (null is one), the type is left away: any single word would exclude values that the tool takes, and the service is
not known to insist on it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from cf_llama.protocol.admission import kind_of
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.inlining import inline
from cf_llama.protocol.references import ANNOTATIONS

_LONGEST_NAME = 64
_TOOL_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{_LONGEST_NAME}}}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class ToolDefinition(dict[str, Any]):
    """A tool that `tool_definition` has validated, so that later calls need not."""

    declared_parameters: Mapping[str, Any]
    """Its parameters as the user declared them, by which arguments are read."""


def tool_name(title: str) -> str:
    """Convert a schema's title to the name of a tool: characters that no name may hold become `_`."""
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
    sent = _parameters_to_send(parameters, f"tools: the parameters of {name}")
    definition = ToolDefinition(
        type="function", function={"name": name, "description": description, "parameters": sent}
    )
    definition.declared_parameters = parameters
    return definition


def declared_parameters(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a tool as the user declared them."""
    found: Mapping[str, Any] = (
        tool.declared_parameters if isinstance(tool, ToolDefinition) else tool["function"]["parameters"]
    )
    return found


def _parameters_to_send(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    flat = inline(schema, where)
    properties = {name: _with_type_and_description(name, value) for name, value in flat.get("properties", {}).items()}
    rest = {key: value for key, value in flat.items() if key not in ANNOTATIONS}  # the tool itself has a description
    return {"type": "object", **rest, "properties": properties}


def _with_type_and_description(name: str, schema: Any) -> dict[str, Any]:
    """A parameter with the type and the description that the page asks for, as far as it has a single type."""
    schema = schema if isinstance(schema, Mapping) else ({} if schema else {"not": {}})
    kind = None if "type" in schema else _single_type(schema)
    described = {**({"type": kind} if kind else {}), **schema}
    if not isinstance(described.get("description"), str) or not described["description"]:
        described["description"] = name.replace("_", " ")
    return described


def _single_type(schema: Any) -> str | None:
    """The type that every value has which a schema admits, if there is one."""
    if not isinstance(schema, Mapping):
        return None
    if isinstance(schema.get("type"), str):
        return str(schema["type"])
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else ()):
        return _common_type([kind_of(value) for value in values])
    for key in ("anyOf", "oneOf"):
        if branches := schema.get(key):
            return _common_type([_single_type(branch) for branch in branches])
    return next((kind for branch in schema.get("allOf", ()) if (kind := _single_type(branch))), None)


def _common_type(kinds: Collection[str | None]) -> str | None:
    found = set(kinds)
    if found == {"integer", "number"}:
        return "number"
    return found.pop() if len(found) == 1 else None


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
