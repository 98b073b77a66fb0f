"""Converts the arguments of a LangChain call to a request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.tools import Tool as SimpleTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import PydanticInvalidForJsonSchema

from cf_llama.config.settings import Settings
from cf_llama.protocol import json_schema
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.references import with_root_title
from cf_llama.transport import prepare as core
from cf_llama.transport.prepare import PreparedCall

_LANGCHAIN_OWN = {"stream", "stream_usage"}
"""Options that LangChain uses internally."""

_CLIENT_TOOLS = ("function", "custom", "object")
"""Types of tool definitions whose calls the client runs: OpenAI's, Anthropic's, and a JSON schema."""

_CLIENT_KEYS = ("function", "toolSpec")
"""Keys that contain such a definition: OpenAI's and Amazon Bedrock's."""

Tool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
"""Anything that LangChain can convert to a tool definition."""

Method = Literal["function_calling", "json_schema", "json_mode"]
"""How structured output is requested."""


def definitions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Convert tools to definitions.

    Raises:
        InvalidRequestError: LangChain can make no definition of one of them, or its name or parameters are not allowed.
    """
    return [_definition(tool, f"tools[{number}]") for number, tool in enumerate(tools)]


def _definition(tool: Tool, where: str) -> dict[str, Any]:
    if isinstance(tool, json_schema.ToolDefinition):
        return tool
    if isinstance(tool, Mapping):
        _check_runs_here(tool, where)
    try:
        return json_schema.tool_definition(_function(tool) or convert_to_openai_tool(tool))
    except (ValueError, TypeError, PydanticInvalidForJsonSchema) as error:
        raise InvalidRequestError(f"{where} is no tool: {error}") from error


def _check_runs_here(tool: Mapping[str, Any], where: str) -> None:
    """Reject tools that only another provider's service can run or whose model can call."""
    match tool:
        case {"type": "custom", "name": name} if "input_schema" not in tool:
            raise InvalidRequestError(
                f"{where} is the custom tool {name!r}, which takes text in place of arguments; "
                "give a function with one argument of type str"
            )
        case {"type": kind}:
            foreign = kind not in _CLIENT_TOOLS
        case _:  # Google's have one key, which names them
            kind = next(iter(tool), "")
            foreign = len(tool) == 1 and kind not in _CLIENT_KEYS and isinstance(tool[kind], Mapping)
    if foreign:
        raise InvalidRequestError(
            f"{where} is a tool of type {kind!r}, which another provider runs on its own servers; "
            "give a function that does it here"
        )


def _function(tool: Tool) -> dict[str, Any] | None:
    """A tool with its own schema, if LangChain's conversion loses recursive types."""
    if isinstance(tool, BaseTool):
        tool_schema = tool.tool_call_schema
        if isinstance(tool, SimpleTool) or not (isinstance(tool_schema, dict) or is_basemodel_subclass(tool_schema)):
            return None
        parameters = tool_schema if isinstance(tool_schema, dict) else schema_of(tool_schema)
        return {"name": tool.name, "description": tool.description, "parameters": parameters}
    if isinstance(tool, type) and is_basemodel_subclass(tool):
        parameters = schema_of(tool)
        return {"name": parameters["title"], "description": parameters.get("description"), "parameters": parameters}
    if inspect.isroutine(tool):
        name = tool.__name__
        model = create_schema_from_function(
            name, tool, filter_args=(), parse_docstring=True, error_on_invalid_docstring=False, include_injected=False
        )
        return {"name": name, "description": model.__doc__, "parameters": schema_of(model)}
    return None


def schema_of(model: type[Any]) -> dict[str, Any]:
    """The JSON schema of a pydantic class, v2 or v1, with its references."""
    of_model = getattr(model, "model_json_schema", None) or model.schema
    return with_root_title(of_model())


def prepare(settings: Settings, stop: Sequence[str] | None, options: Mapping[str, Any], **request: Any) -> PreparedCall:
    """Prepare a call of LangChain.

    Args:
        settings: The model's own.
        stop: Texts at which the answer ends, in place of the model's own; None leaves those.
        options: What was bound or given per call: fields of the request, and any setting.
        request: `messages`, or `prompt` with `raw`.

    Raises:
        InvalidRequestError: an option is unknown, or a value is not allowed.
    """
    options = {name: value for name, value in options.items() if name not in _LANGCHAIN_OWN}
    if stop is not None:
        options["stop"] = stop
    if options.get("tools") is not None:
        options["tools"] = definitions(options["tools"])
    if isinstance(tool_schema := options.get("response_format"), type):
        options["response_format"] = {"type": "json_schema", "json_schema": convert_to_json_schema(tool_schema)}
    return core.prepare(settings, options, "langchain_cf_llama", **request)
