"""Builds the request and the transport of one call from settings and the options of a framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cf_llama.config.credentials import unwrap_secret
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.transport import Transport

REQUEST_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "response_format", "functions", "raw")
"""Fields of a `ChatRequest` that are not settings."""


class PreparedCall(NamedTuple):
    """A request, and the transport to send it with."""

    transport: Transport
    request: ChatRequest


def prepare(settings: Settings, options: Mapping[str, Any], user_agent: str, **request: Any) -> PreparedCall:
    """Merge the settings, the options of this call and its messages.

    Args:
        settings: The model's settings.
        options: Options of this call: settings, and request fields (None means not given).
        user_agent: Value of the header of that name.
        request: `messages` or `prompt`, and other fields of the request.

    Raises:
        InvalidRequestError: An option is unknown, or a value is not allowed.
    """
    fields = {name: options[name] for name in REQUEST_FIELDS if options.get(name) is not None}
    changed = {name: value for name, value in options.items() if name not in REQUEST_FIELDS}
    answers = changed.pop("n", None)  # evaluators such as ragas pass n=1 to any model
    if answers not in (None, 1):
        raise InvalidRequestError(f"n: a request has one answer, not {answers!r}; send it as often, such as in a batch")
    if "extra_headers" in changed:
        changed = _with_extra_headers(changed, settings)
    call = settings.for_call(changed) if changed else settings
    transport = Transport(call.connection(user_agent), call.http_client, call.http_async_client)
    return PreparedCall(transport, ChatRequest(**(request | fields), **call.request_fields()))


def _with_extra_headers(options: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The options with headers of one call, under the name of OpenAI's package, added to those of every call.

    LlamaIndex's `DocumentContextExtractor` passes some to any model.
    """
    changed = dict(options)
    extra = unwrap_secret(changed.pop("extra_headers"))
    if extra is None:
        return changed
    if not isinstance(extra, Mapping):
        raise InvalidRequestError(f"extra_headers must be a mapping of names to values, not {type(extra).__name__}")
    general = unwrap_secret(changed.get("default_headers")) or settings.default_headers
    return changed | {"default_headers": {**general, **extra}}
