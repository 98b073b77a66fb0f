"""From what LangChain passes to a call to the request and to where it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from cf_llama import schema
from cf_llama.errors import InvalidRequestError
from cf_llama.request import ChatRequest
from cf_llama.settings import Settings
from cf_llama.transport import Transport

QUESTION_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "response_format", "functions", "raw")
"""Fields of a `ChatRequest` that belong to one question and are no settings."""
_LANGCHAIN_OWN = {"stream"}
"""Options by which LangChain talks to itself."""


class Asking(NamedTuple):
    """One call: where it goes and what it asks."""

    transport: Transport
    request: ChatRequest


Tool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
"""Whatever LangChain can make a definition of."""


def definitions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools in the form in which they are sent.

    Raises:
        InvalidRequestError: LangChain can make no definition of one of them, or its name or parameters are not allowed.
    """
    return [_definition(tool, f"tools[{number}]") for number, tool in enumerate(tools)]


def _definition(tool: Tool, where: str) -> dict[str, Any]:
    try:
        return schema.tool_definition(convert_to_openai_tool(tool))
    except (ValueError, TypeError) as error:
        raise InvalidRequestError(f"{where} is no tool: {error}") from error


def asking(settings: Settings, stop: Sequence[str] | None, options: Mapping[str, Any], **question: Any) -> Asking:
    """Bring together the settings, what was changed for this call, and the question.

    Args:
        settings: The model's own.
        stop: Texts at which the answer ends, in place of the model's own; None leaves those.
        options: What was bound or given per call: fields of the question, and any setting.
        question: `messages`, or `prompt` with `raw`.

    Raises:
        InvalidRequestError: an option is unknown, or a value is not allowed.
    """
    asked = {name: options[name] for name in QUESTION_FIELDS if options.get(name) is not None}
    changed = {name: value for name, value in options.items() if name not in {*QUESTION_FIELDS, *_LANGCHAIN_OWN}}
    if stop is not None:
        changed["stop"] = stop
    if "tools" in asked:
        asked["tools"] = definitions(asked["tools"])
    call = settings.for_call(changed) if changed else settings
    transport = Transport(call.connection("langchain_cf_llama"), call.http_client, call.http_async_client)
    return Asking(transport, ChatRequest(**(question | asked), **call.request_fields()))
