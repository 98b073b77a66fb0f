"""What is seen in a stream: pure functions of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cf_llama.verify.answer import (
    DONE,
    Answer,
    body,
    calls,
    choice,
    data_lines,
    events,
    parse,
    shape,
    text,
    text_of,
    values,
)
from cf_llama.verify.experiment import NotTestable, accepted

LONGEST_PADDING = 36
KILOBYTE = 1024
FRAMED = "a line of data and a blank line each"


def stream_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the events of a stream that came to its end.

    Raises:
        Refused: it is a refusal.
        NotTestable: it has no events, tells of a failure, or broke off.
    """
    found = events(accepted(answer))
    if not found:
        raise NotTestable("the stream has no events")
    if any({"errors", "error", "internalCode"} & event.keys() for event in found):
        raise NotTestable("the stream tells of a failure")
    if not ended(answer):
        raise NotTestable("the stream broke off")
    return found


def ended(answer: Answer) -> bool:
    """Whether a stream came to its end: by [DONE], a finish reason or closing counts."""
    found = events(answer)
    reasons = any(choice(event).get("finish_reason") for event in found)
    closing = bool(found) and "usage" in found[-1] and not text(found[-1:]) and not calls(found[-1])
    return DONE in data_lines(answer) or reasons or closing


def answered_by(answers: Sequence[Answer]) -> str:
    """Return what a request for a stream is answered by."""
    answer = accepted(answers[0])
    whole = body(answer)
    if isinstance(whole, dict):
        return "a recording" if "streamed_data" in whole else "a whole answer"
    if not data_lines(answer):
        return "nothing"
    return "events" if events(answer) else "the end alone"


_FRAMINGS: tuple[tuple[str, bytes], ...] = (
    ("bom", rb"\A\xef\xbb\xbf"),
    ("crlf", rb"\r\n"),
    ("cr", rb"\r"),
    ("fields", rb"(?m)^(?::|event:|id:|retry:)"),
    ("blank-data", rb"(?m)^data: ?$"),
    ("no-space", rb"(?m)^data:(?! )"),
    ("no-blank-lines", rb"\ndata: [^\n]+\ndata: |[^\n]\n\Z"),
)
"""Oddities of framing, by the name of the emulator's value."""


def framing(answers: Sequence[Answer]) -> str:
    """Return how events are framed, by the emulator's name of an oddity."""
    content = accepted(answers[0]).content
    if not data_lines(answers[0]):
        raise NotTestable("the stream has no events")
    for name, pattern in _FRAMINGS:
        if re.search(pattern, content):
            return name
    if not content.endswith(b"\n\n"):
        return "an end in the middle of an event"
    return "malformed" if any(parse(data) is None for data in data_lines(answers[0]) if data != DONE) else FRAMED


def end(answers: Sequence[Answer]) -> str:
    """Return how a stream ends."""
    accepted(answers[0])
    lines = data_lines(answers[0])
    if not lines:
        raise NotTestable("the stream has no events")
    if lines[-1] == DONE:
        return DONE
    failure = events(answers[0])[-1:]
    if failure and {"errors", "error", "internalCode"} & failure[0].keys():
        return f"an error in the form {_error_form(failure[0])}"
    return "no mark" if ended(answers[0]) else "in the middle"


def _error_form(event: Mapping[str, Any]) -> str:
    if "internalCode" in event:
        return "name"
    if "success" in event:
        return "success"
    return "errors" if "errors" in event else "error" if isinstance(event["error"], dict) else "text"


def padding(answers: Sequence[Answer]) -> str:
    """Return how long the longest padding is."""
    longest = max((len(str(event["p"])) for event in stream_of(answers[0]) if "p" in event), default=0)
    if longest > LONGEST_PADDING:
        return f"{longest // KILOBYTE} KB" if longest >= KILOBYTE else f"{longest} characters"
    return "some characters" if longest else "none"


def shape_of(answers: Sequence[Answer]) -> str:
    """Return the shape of the first event of text."""
    spoken = [event for event in stream_of(answers[0]) if text([event])]
    return shape(spoken[0]) if spoken else _fail("the stream has no text")


def _fail(reason: str) -> str:
    raise NotTestable(reason)


def digits(answers: Sequence[Answer]) -> str:
    """Return the types in which pieces of digits arrive in `response`."""
    native = [event["response"] for event in stream_of(answers[0]) if "response" in event]
    kinds = {type(value).__name__ for value in native if text_of(value).strip().isdecimal()}
    return " and ".join(sorted(kinds)) or _fail("no event consists of digits alone")


def empty(answers: Sequence[Answer]) -> str:
    """Return the form of an empty text."""
    found = [value for event in stream_of(answers[0]) for value in values(event) if value in ("", None)]
    return "null" if None in found else "an empty string" if found else _fail("no event is without text")


def is_sum(event: Mapping[str, Any]) -> bool:
    """Whether an event has the counts of the whole answer; increments count either the prompt or new tokens."""
    usage = event.get("usage")
    return isinstance(usage, dict) and bool(usage.get("prompt_tokens") and usage.get("completion_tokens"))


def counts(event: Mapping[str, Any]) -> bool:
    """Whether an event has counts, of whatever."""
    return event.get("usage") is not None


def usage_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return where a stream has its sum."""
    if not any(map(counts, found)):
        return "no counts"
    return "a sum" if any(map(is_sum, found)) else "increments without a sum"


def increments_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return whether events of text count tokens, compared with what their shape does."""
    spoken = [event for event in found if text([event]) and not is_sum(event)]
    if not any(map(counts, found)) or not spoken:
        raise NotTestable("the stream has no counts")
    counted, native = any(map(counts, spoken)), shape(spoken[0]) == "native"
    if counted == native:
        return "counts beside native text" if counted else "no counts beside text"
    return "as the shape has it"


def finish_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return why a stream says it ended; `stop` for the native shape, which does not say."""
    if any("finish_reason" in event for event in found):
        return "at the top"
    if not any("choices" in event for event in found):
        return "stop"
    return next((str(reason) for event in found if (reason := choice(event).get("finish_reason"))), "none")


def repeated_sum(answers: Sequence[Answer]) -> str:
    """Return whether the closing counts come as often as the shape has them."""
    found = stream_of(answers[0])
    if not any(map(is_sum, found)):
        raise NotTestable("the stream has no sum")
    last = max((at for at, event in enumerate(found) if text([event])), default=-1)
    closing = [event["usage"] for event in found[last:] if "usage" in event and not choice(event).get("finish_reason")]
    closing = closing[next((at for at, usage in enumerate(closing) if is_sum({"usage": usage})), 0) :]
    usual = 2 if any(shape(event).startswith("hybrid") for event in found if text([event])) else 1
    if len(closing) <= usual:
        return "as the shape has it"
    if closing[-1] is None:
        return "once more, as null"
    if not isinstance(closing[-1], dict) or not closing[-1].get("total_tokens"):
        return "once more, as zeros"
    return "once more, the same" if closing[-1] == closing[0] else "once more, with details"


def last_text(answers: Sequence[Answer]) -> str:
    """Return where the last text comes."""
    found = stream_of(answers[0])
    ends = [event for event in found if choice(event).get("finish_reason") or is_sum(event)]
    return "on the event that ends the answer" if text(ends) else "before the end"


def copies(answers: Sequence[Answer]) -> str:
    """Return whether both copies of a text are filled."""
    copies = [list(map(text_of, values(event))) for event in stream_of(answers[0])]
    return "an empty copy" if any(any(both) and not all(both) for both in copies) else "the same"
