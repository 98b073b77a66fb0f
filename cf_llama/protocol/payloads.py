"""The only reader of the service's payloads: every shape and every quirk ends here.

Three shapes are live, and one account may meet them all: native `{response, tool_calls, usage}`, OpenAI's
`{choices}`, and since July 2026 a hybrid that carries both copies of everything. A whole answer differs from an event
of a stream only in saying `message` for `delta`, so the same function reads both.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from cf_llama.protocol import json_values
from cf_llama.protocol.errors import BadResponseError
from cf_llama.protocol.json_values import InvalidJSON
from cf_llama.protocol.reply import ResponseMetadata, Usage
from cf_llama.protocol.stop_sequences import join_surrogates

_log = logging.getLogger(__name__)
_Kind = TypeVar("_Kind", list[Any], dict[str, Any])

_MAX = 10**12
"""No count is larger."""
_TEXT_TYPES = (str, type(None))
_TEXT = re.compile(rb"""["'](?:response|content|text|name|arguments)["']\s*:\s*(?:["'][^"']|[^\s"',}\]n])""")
"""The beginning of a text, a call or a parsed value in broken JSON."""
_PLAIN_KEYS = {"response", "tool_calls", "p"}
_KNOWN_KEYS = {"response", "choices", "tool_calls", "usage", "finish_reason", "p"}  # any of them may come alone


class ToolCallFragment(NamedTuple):
    """A piece of a tool call, or a whole one; `position` is None where the shape has no index."""

    position: int | None
    id: str
    name: str
    arguments: str


class Event(NamedTuple):
    """The contents of one payload, each once."""

    text: str = ""
    fragments: tuple[ToolCallFragment, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    ends_stream: bool = False
    """Whether such an event comes only at the end of a stream, so that `[DONE]` may be missing after it."""


def parse_payloads(data: bytes) -> list[Any]:
    """The JSON values in one event, or in one whole body, with numbers as written wherever they are text.

    Raises:
        InvalidJSON: there is none.
        BadResponseError: See `read_event`.
    """
    try:
        payload = json_values.parse(data)
    except InvalidJSON:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) <= 1:
            raise
        # events without a blank line between them look like one event of many lines
        return [payload for line in lines for payload in parse_payloads(line)]
    if not _is_plain(payload) and _has_parsed_text(_without_envelope(payload)):
        payload = json_values.parse_exactly(data)
        recorded = _without_envelope(payload).get("streamed_data")
        if isinstance(recorded, list):
            return list(recorded)  # a gateway's recording of a stream is one whole body
    return [payload]


def may_hold_text(data: bytes) -> bool:
    """Whether an event that is no JSON has text of the answer in it, so that it cannot be skipped."""
    return _TEXT.search(data) is not None


def _is_plain(payload: Any) -> bool:
    """Whether an event is text and padding, as nearly all of a native stream are: nothing else need be looked for."""
    if type(payload) is not dict or not payload.keys() <= _PLAIN_KEYS:
        return False
    return type(payload.get("response")) is str and not payload.get("tool_calls")


def read_event(payload: Any) -> Event | None:
    """Read a payload; None if it holds no part of an answer.

    Raises:
        BadResponseError: Calls or choices are of a type that cannot be read, and what they say would be lost.
    """
    if _is_plain(payload):
        return Event(payload["response"])
    payload = _without_envelope(payload)
    if isinstance(payload, str):  # the page's second output form: the answer is the bare text
        return Event(text=payload)
    if not isinstance(payload, dict) or payload.keys().isdisjoint(_KNOWN_KEYS):
        return None
    choice, message = _choice(payload)
    text = json_values.text_of(_text(choice, message, payload))  # 0 and false are text as well
    fragments = _fragments(message.get("tool_calls")) or _fragments(payload.get("tool_calls"))
    reasons = (choice.get("finish_reason"), payload.get("finish_reason"))
    finish_reason = next((join_surrogates(reason) for reason in reasons if reason and isinstance(reason, str)), None)
    usage = _usage(payload.get("usage"))
    # Usage on every event is an increment; only the sum at the end comes alone, with both counts filled.
    sums_up = bool(usage and usage.prompt_tokens and usage.completion_tokens) and not (choice or text or fragments)
    return Event(text, fragments, finish_reason, usage, ends_stream=bool(finish_reason) or sums_up)


def response_metadata(headers: Mapping[str, str]) -> ResponseMetadata:
    """Metadata from the response headers."""
    neurons = headers.get("cf-ai-neurons", "")
    return ResponseMetadata(
        ray_id=headers.get("cf-ray", ""),
        request_id=headers.get("cf-ai-req-id", ""),
        neurons=float(neurons) if neurons.replace(".", "", 1).isdecimal() else None,
        cache_status=headers.get("cf-aig-cache-status", ""),
        gateway_log_id=headers.get("cf-aig-log-id", ""),
        headers=headers,
    )


def _without_envelope(payload: Any) -> Any:
    """The answer without the API's envelope, which some routes omit."""
    return payload["result"] if isinstance(payload, dict) and {"result", "success"} <= payload.keys() else payload


def _choice(payload: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    choices = _typed(payload.get("choices"), list, "choices")  # may be [] on an event that brings only usage
    choice = _typed(choices[0], dict, "choices") if choices else {}
    return choice, _typed(choice.get("delta") or choice.get("message"), dict, "message")


def _typed(value: Any, kind: type[_Kind], name: str) -> _Kind:
    """A value of this type, and an empty one for anything that holds nothing."""
    if isinstance(value, kind):
        return value
    if value:
        raise BadResponseError(f"the answer cannot be read: {name} holds a value of an unknown type")
    return kind()


def _text(choice: Mapping[str, Any], message: Mapping[str, Any], payload: Mapping[str, Any]) -> Any:
    # the first event may pair an empty content with a filled response; a prompt's choice has a text and no message
    for copy in (message.get("content"), payload.get("response"), choice.get("text"), message.get("refusal")):
        if copy is not None and copy != "":
            return copy
    return None


def _has_parsed_text(payload: Any) -> bool:
    """Whether the service has parsed text that it should have passed on: text that is JSON arrives as its value."""
    if not isinstance(payload, dict):
        return False
    choice, message = _choice(payload)
    texts = [message.get("content"), payload.get("response"), choice.get("text")]
    for calls in (message.get("tool_calls"), payload.get("tool_calls")):
        if calls:
            texts += [function.get("arguments") for _, function in _functions(calls)]
    return "streamed_data" in payload or not all(isinstance(text, _TEXT_TYPES) for text in texts)


def _fragments(calls: Any) -> tuple[ToolCallFragment, ...]:
    if not calls:  # null and [] are as good as absent
        return ()
    return tuple(_fragment(call, function) for call, function in _functions(calls))


def _functions(calls: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each call, and what names the function and its arguments: a part of it, or the call itself."""
    found = [_typed(call, dict, "tool_calls") for call in _typed(calls, list, "tool_calls") if call]  # {} has been seen
    return [(call, _typed(call.get("function"), dict, "function") or call) for call in found]


def _fragment(call: Mapping[str, Any], function: Mapping[str, Any]) -> ToolCallFragment:
    index = _number(call.get("index"))
    return ToolCallFragment(
        position=None if index is None else int(index),
        id=join_surrogates(str(call.get("id") or "")),  # native calls have none; a closing fragment has null
        name=join_surrogates(str(function.get("name") or "")),
        arguments=json_values.text_of(function.get("arguments")),  # an object natively, a string in OpenAI's form
    )


def _usage(usage: Any) -> Usage | None:
    if not usage or not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    details = usage.get("prompt_tokens_details")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=_count(usage.get("total_tokens")) or prompt + completion,
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        neurons=_number(usage.get("neurons")),
    )


def _count(value: Any) -> int:
    """A count; the page's schema calls it a number, so 12.0 would be one too."""
    number = _number(value) or 0
    return int(number) if 0 <= number <= _MAX else 0


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
