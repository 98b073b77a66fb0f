"""From what a framework passes to one call to the request and to where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cf_llama.config.settings import Settings
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.transport import Transport

REQUEST_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "response_format", "functions", "raw")
"""Fields of a `ChatRequest` that belong to one question and are no settings."""


class PreparedCall(NamedTuple):
    """One call: where it goes and what it asks."""

    transport: Transport
    request: ChatRequest


def prepare(settings: Settings, options: Mapping[str, Any], user_agent: str, **request: Any) -> PreparedCall:
    """Bring together the settings, what was changed for this call, and the question.

    Args:
        settings: The model's own.
        options: What was given for this call: fields of the question, where None counts as not given, and settings.
        user_agent: Who asks, for the header of that name.
        request: `messages` or `prompt`, and what else is known of the question.

    Raises:
        InvalidRequestError: an option is unknown, or a value is not allowed.
    """
    given = {name: options[name] for name in REQUEST_FIELDS if options.get(name) is not None}
    changed = {name: value for name, value in options.items() if name not in REQUEST_FIELDS}
    call = settings.for_call(changed) if changed else settings
    transport = Transport(call.connection(user_agent), call.http_client, call.http_async_client)
    return PreparedCall(transport, ChatRequest(**(request | given), **call.request_fields()))
