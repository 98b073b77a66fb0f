"""Reads answers for experiments: as little as possible, and without the reader whose assumptions are tested."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"
_LINE = re.compile(r"\r\n|\n|\r")
_CODE = re.compile(r"\b(\d{4,5})\b(?=:)|(?<=error code: )(\d{4,5})")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, without account and token."""

    status: int = 0
    """HTTP status; 0 if none came."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    content: bytes = b""
    """The body as far as it came."""
    failure: str = ""
    """Why the connection ended early; empty if it did not."""


def parse(text: str | bytes) -> Any:
    """Return the JSON value of a text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def body(answer: Answer) -> Any:
    """Return the JSON value of a whole answer; None if it is not JSON."""
    return parse(answer.content)


def result(answer: Answer) -> dict[str, Any]:
    """Return a whole answer without its envelope; empty if it is no object."""
    found = body(answer)
    if isinstance(found, dict) and "result" in found and "success" in found:
        found = found["result"]
    return found if isinstance(found, dict) else {}


def data_lines(answer: Answer) -> list[str]:
    """Return the data of each event; the service writes events of one line."""
    lines = _LINE.split(answer.content.decode("utf-8-sig", "replace"))
    return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


def events(answer: Answer) -> list[dict[str, Any]]:
    """Return the events of a stream that are JSON objects."""
    return [event for event in map(parse, data_lines(answer)) if isinstance(event, dict)]


def choice(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first entry of `choices`; empty if there is none."""
    choices = payload.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def message(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `message` or `delta` of the first choice; empty if there is none."""
    found = choice(payload).get("message") or choice(payload).get("delta")
    return found if isinstance(found, dict) else {}


def values(payload: Mapping[str, Any]) -> list[Any]:
    """Return every copy of the text in a payload, as the value it came as; the copy in `choices` first."""
    holders = ((message(payload), "content"), (payload, "response"))
    return [holder[key] for holder, key in holders if key in holder]


def text_of(value: Any) -> str:
    """Return a value of `values` as text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text(payloads: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of payloads, one copy of each: the first that is not empty."""
    return "".join(next(filter(None, map(text_of, values(payload))), "") for payload in payloads)


def calls(payload: Mapping[str, Any]) -> list[Any]:
    """Return the tool calls or their fragments, of one copy: that in `choices` if it has any."""
    for holder in (message(payload), payload):
        found = holder.get("tool_calls")
        if isinstance(found, list) and found:
            return found
    return []


def function(call: Any) -> Mapping[str, Any]:
    """Return the part of a tool call that holds name and arguments, in either form."""
    found = call.get("function", call) if isinstance(call, dict) else {}
    return found if isinstance(found, dict) else {}


def is_refusal(answer: Answer) -> bool:
    """Whether an answer reports a failure, by its status or, under status 200, by its body."""
    found = body(answer)
    return answer.status >= 300 or (isinstance(found, dict) and found.get("success") is False)  # noqa: PLR2004 - HTTP's own


def code(answer: Answer) -> int | None:
    """Return the code of a refusal, wherever it stands; None if there is none."""
    found = body(answer)
    if isinstance(found, dict):
        entries = [*_entries(found.get("errors")), *_entries(found.get("error")), found]
        names = ("code", "internalCode", "error_code")
        values = (str(entry[name]) for entry in entries for name in names if name in entry)
        numbers = [int(number) for number in values if number.isdecimal()]
        # the server behind the service knows no code but the status
        if coded := [number for number in numbers if number != answer.status]:
            return coded[0]
    match = _CODE.search(answer.content.decode("utf-8", "replace")) if is_refusal(answer) else None
    return int(match[1] or match[2]) if match else None


def _entries(errors: Any) -> list[Mapping[str, Any]]:
    listed = errors if isinstance(errors, list) else [errors]
    return [entry for entry in listed if isinstance(entry, dict)]


def shape(payload: Mapping[str, Any]) -> str:
    """Return the shape of an answer or event: native, openai, hybrid, or a hybrid that lacks a part."""
    keys = payload.keys()
    if "choices" in keys:
        native = keys & {"response", "tool_calls"}
        missing = {"response", "tool_calls"} - native
        return "openai" if not native else " ".join(["hybrid", *(f"without {key}" for key in missing)])
    if "response" in keys or "tool_calls" in keys:
        return "hybrid without choices" if keys & {"object", "model"} else "native"
    return "neither response nor choices"
