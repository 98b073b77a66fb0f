"""From what LangChain passes to a call to what the core asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from cf_llama import asking as core
from cf_llama import schema
from cf_llama.asking import Asking
from cf_llama.errors import InvalidRequestError
from cf_llama.settings import Settings

_LANGCHAIN_OWN = {"stream"}
"""Options by which LangChain talks to itself."""

Tool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
"""Whatever LangChain can make a definition of."""


def definitions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools in the form in which they are sent.

    Raises:
        InvalidRequestError: LangChain can make no definition of one of them, or its name or parameters are not allowed.
    """
    return [_definition(tool, f"tools[{number}]") for number, tool in enumerate(tools)]


def _definition(tool: Tool, where: str) -> dict[str, Any]:
    if isinstance(tool, schema.ToolDefinition):
        return tool
    try:
        return schema.tool_definition(convert_to_openai_tool(tool))
    except (ValueError, TypeError) as error:
        raise InvalidRequestError(f"{where} is no tool: {error}") from error


def asking(settings: Settings, stop: Sequence[str] | None, options: Mapping[str, Any], **question: Any) -> Asking:
    """One call of LangChain's.

    Args:
        settings: The model's own.
        stop: Texts at which the answer ends, in place of the model's own; None leaves those.
        options: What was bound or given per call: fields of the question, and any setting.
        question: `messages`, or `prompt` with `raw`.

    Raises:
        InvalidRequestError: an option is unknown, or a value is not allowed.
    """
    given = {name: value for name, value in options.items() if name not in _LANGCHAIN_OWN}
    if stop is not None:
        given["stop"] = stop
    if given.get("tools") is not None:
        given["tools"] = definitions(given["tools"])
    return core.asking(settings, given, "langchain_cf_llama", **question)
