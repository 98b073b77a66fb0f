"""Writes answers in the three shapes that the service is known to use, whole and as events.

Each shape is a push writer: it is handed pieces and returns the events they become; nothing here waits or sends.
The shapes follow the Workers AI model page (native), Cloudflare's OpenAI-compatible endpoints page and recorded
answers of this model (hybrid, which carries both forms at once).
"""

from __future__ import annotations

import json
import random
import string
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from cf_llama_emulator.wire.engine_protocol import Call, End
from cf_llama_emulator.wire.models import echoed
from cf_llama_emulator.wire.tokens import arguments_text, estimate, estimate_call, neurons

Event = dict[str, Any]

DONE = b"data: [DONE]\n\n"
FRAGMENT = 10
"""Characters of a call's arguments per event in the shapes that send them in fragments."""

JAVASCRIPT_PLAIN_INTEGERS = 1e21
"""From here on JavaScript prints whole numbers with an exponent."""


def encode_event(event: Event) -> bytes:
    """Return one server-sent event."""
    return b"data: " + encode(event) + b"\n\n"


def encode(value: Any) -> bytes:
    """Return compact JSON in UTF-8; a lone surrogate becomes its JSON escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict).encode(
        "utf-8", "backslashreplace"
    )


def coerce(text: str) -> Any:
    """Return what the service makes of a text field: the parsed value where the text is JSON, else the text.

    Seen in recorded answers: a token of digits arrives as a number, `3e50` as `3e+50`, as JavaScript prints it, a
    whole answer as an object. No record shows a JSON string without its quotes, so those stay.
    """
    try:
        value = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, str) else value


def _number(lexeme: str) -> int | float:
    value = float(lexeme)
    if not isfinite(value):
        raise ValueError(lexeme)
    if value.is_integer() and abs(value) < JAVASCRIPT_PLAIN_INTEGERS:
        return int(Decimal(repr(value)))
    return value


def _refuse(name: str) -> None:
    raise ValueError(name)


@dataclass
class Writer:
    """What all shapes share: the facts of one answer.

    `prompt_tokens` is the estimate, which a stream has to tell before the engine has counted.
    """

    model: str
    prompt_tokens: int
    coerces: bool = True
    """Whether text fields go through `coerce`."""
    pads: bool = True
    """Whether events carry `p`, random padding against guessing tokens by their length."""
    counts: bool = False
    """Whether each event counts its tokens, in the shape that otherwise counts at the end alone."""
    created: int = field(default_factory=lambda: int(time.time()))
    answer_id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    calls_written: int = 0

    def start(self) -> list[Event]:
        """Return the events before the first piece."""
        raise NotImplementedError

    def text(self, text: str) -> list[Event]:
        """Return the events of a piece of text."""
        raise NotImplementedError

    def call(self, call: Call) -> list[Event]:
        """Return the events of a whole tool call."""
        raise NotImplementedError

    def finish(self, end: End) -> list[Event]:
        """Return the events after the last piece, without the end mark."""
        raise NotImplementedError

    def whole(self, text: str, calls: Sequence[Call], end: End) -> Event:
        """Return the answer to a request that does not stream."""
        raise NotImplementedError

    def value(self, text: str) -> Any:
        """Return a text field's value."""
        return coerce(text) if self.coerces else text

    def padded(self, event: Event) -> Event:
        """Return `event` with padding."""
        return event | {"p": padding()} if self.pads else event


class NativeWriter(Writer):
    """`response` and whole `tool_calls` without ids; usage in the last event; no finish reason."""

    def start(self) -> list[Event]:  # noqa: D102 - see Writer
        return [self._event("", prompt=self.prompt_tokens)]

    def text(self, text: str) -> list[Event]:  # noqa: D102 - see Writer
        return [self._event(self.value(text), spent=estimate(text))]

    def call(self, call: Call) -> list[Event]:  # noqa: D102 - see Writer
        return [self._event("", _native_call(call), spent=estimate_call(call))]

    def finish(self, end: End) -> list[Event]:  # noqa: D102 - see Writer
        return [self.padded({"tool_calls": []}), {"response": "", "usage": usage(end)}]

    def whole(self, text: str, calls: Sequence[Call], end: End) -> Event:  # noqa: D102 - see Writer
        return {
            "response": None if calls and not text else self.value(text),
            "tool_calls": [_native_call(call) for call in calls],
            "usage": usage(end),
        }

    def _event(self, response: Any, *calls: Event, prompt: int = 0, spent: int = 0) -> Event:
        event = self.padded({"response": response, "tool_calls": list(calls)})
        increment = detailed_usage(End(prompt_tokens=prompt, completion_tokens=spent))
        return event | {"usage": increment} if self.counts else event


class OpenAIWriter(Writer):
    """Chat completions: calls in fragments with index and id, usage per event as an increment, a finish reason."""

    def start(self) -> list[Event]:  # noqa: D102 - see Writer
        return [self._chunk({"role": "assistant", "content": ""}, prompt=self.prompt_tokens)]

    def text(self, text: str) -> list[Event]:  # noqa: D102 - see Writer
        return [self._chunk({"content": text}, spent=estimate(text))]

    def call(self, call: Call) -> list[Event]:  # noqa: D102 - see Writer
        head = {"id": _call_id(call), "type": "function", "function": {"name": call.name}}
        arguments = arguments_text(call)
        cuts = [arguments[at : at + FRAGMENT] for at in range(0, len(arguments), FRAGMENT)]
        events = [self._fragment(head, spent=estimate_call(call))]
        events += [self._fragment({"function": {"arguments": cut}}) for cut in cuts]
        self.calls_written += 1
        return events

    def finish(self, end: End) -> list[Event]:  # noqa: D102 - see Writer
        last = self._chunk({}, finish_reason=end.finish_reason)
        return [last | {"usage": detailed_usage(end)}]

    def whole(self, text: str, calls: Sequence[Call], end: End) -> Event:  # noqa: D102 - see Writer
        message: Event = {"role": "assistant", "content": None if calls and not text else text}
        if calls:
            message["tool_calls"] = [_openai_call(call) for call in calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end.finish_reason}
        return self._head("chat.completion") | {"choices": [choice], "usage": detailed_usage(end)}

    def _head(self, kind: str) -> Event:
        return {"id": f"id-{self.created}000", "object": kind, "created": self.created, "model": self.model}

    def _fragment(self, fragment: Event, spent: int = 0) -> Event:
        return self._chunk({"tool_calls": [{"index": self.calls_written} | fragment]}, spent=spent)

    def _chunk(self, delta: Event, *, finish_reason: str | None = None, prompt: int = 0, spent: int = 0) -> Event:
        if delta.get("content"):
            delta = delta | {"content": self.content(delta["content"])}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        increment = detailed_usage(End(prompt_tokens=prompt, completion_tokens=spent))
        return self.padded(self._head("chat.completion.chunk") | {"choices": [choice], "usage": increment})

    def content(self, text: str) -> Any:
        """Return the value of `delta.content`: here the only copy of the text, so here too numbers appear."""
        return self.value(text)


class HybridWriter(OpenAIWriter):
    """Both forms in every event: the OpenAI chunk, and the same text and fragments once more at the top."""

    def finish(self, end: End) -> list[Event]:  # noqa: D102 - see Writer
        total = detailed_usage(end)
        last = self._chunk({"content": ""}, finish_reason=end.finish_reason)
        return [last, {"choices": [], "usage": total}, {"response": "", "usage": total}]

    def whole(self, text: str, calls: Sequence[Call], end: End) -> Event:  # noqa: D102 - see Writer
        native = {
            "response": None if calls and not text else self.value(text),
            "tool_calls": [_native_call(call) for call in calls],
        }
        return super().whole(text, calls, end) | native

    def content(self, text: str) -> Any:  # noqa: D102 - the copy in `choices` stays text
        return text

    def _head(self, kind: str) -> Event:
        return {"id": self.answer_id, "object": kind, "created": self.created, "model": echoed(self.model)}

    def _chunk(self, delta: Event, *, finish_reason: str | None = None, prompt: int = 0, spent: int = 0) -> Event:
        event = super()._chunk(delta, finish_reason=finish_reason, prompt=prompt, spent=spent)
        copies = [fragment["function"] for fragment in delta.get("tool_calls", ())]
        return event | {"response": self.value(delta.get("content", "")), "tool_calls": copies}


WRITERS: dict[str, type[Writer]] = {"native": NativeWriter, "hybrid": HybridWriter, "openai": OpenAIWriter}
"""By the name of the shape."""


def usage(end: End) -> dict[str, Any]:
    """Return the counts of an answer."""
    prompt, completion = end.prompt_tokens or 0, end.completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def detailed_usage(end: End) -> dict[str, Any]:
    """Return the counts as newer answers give them, with cached tokens and neurons."""
    spent = neurons(end.prompt_tokens or 0, end.completion_tokens or 0)
    return usage(end) | {"prompt_tokens_details": {"cached_tokens": 0}, "neurons": spent}


def padding() -> str:
    """Return a run of letters and digits of random length."""
    alphabet = string.ascii_lowercase + string.digits
    return alphabet[: random.randint(3, len(alphabet))]  # noqa: S311 - its randomness protects nothing here


def _native_call(call: Call) -> Event:
    return {"name": call.name, "arguments": call.arguments}


def _openai_call(call: Call) -> Event:
    function = {"name": call.name, "arguments": arguments_text(call)}
    return {"id": _call_id(call), "type": "function", "function": function}


def _call_id(call: Call) -> str:
    return call.id or f"chatcmpl-tool-{uuid.uuid4().hex}"
