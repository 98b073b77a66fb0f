"""Faults in what is said: the pieces of the engine, and the JSON of events and whole answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cf_llama_emulator.faults.kinds import Fault, OnEvents, OnPieces, OnSettings
from cf_llama_emulator.faults.usage_faults import RECORDED, REPORTED, USAGE_FAULTS
from cf_llama_emulator.faults.values import Number, OneOf
from cf_llama_emulator.wire.engine_protocol import Call, End, Piece, Text
from cf_llama_emulator.wire.tokens import arguments_text
from cf_llama_emulator.wire.writers import Event

KILOBYTE = 1024

RIDING, STOP = "text-at-end", "stop"
"""The plain switches, which others ask for."""


def _leaked(piece: Piece, form: str) -> Iterable[Piece]:
    if isinstance(piece, Call):
        return [Text(LEAKS[form](piece.name, _parsed(arguments_text(piece))))]
    if isinstance(piece, End) and piece.finish_reason == "tool_calls":
        return [replace(piece, finish_reason="stop")]
    return [piece]


def _parsed(arguments: str) -> Any:
    """Return the arguments of a call; their text, where that is broken or was cut off."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _as_python(name: str, arguments: Any) -> str:
    items = arguments.items() if isinstance(arguments, dict) else ()
    written = ", ".join(f"{key}={value!r}" for key, value in items) if items else arguments or ""
    return f"{name}({written})"


LEAKS = {
    "json": lambda name, arguments: json.dumps({"name": name, "parameters": arguments}, ensure_ascii=False),
    "function": lambda name, arguments: json.dumps({"type": "function", "name": name, "parameters": arguments}),
    "tag": lambda name, arguments: "<|python_tag|>" + json.dumps({"name": name, "parameters": arguments}),
    "python": lambda name, arguments: f"[{_as_python(name, arguments)}]",
    "fenced": lambda name, arguments: f"```json\n{json.dumps({'name': name, 'parameters': arguments})}\n```",
}
"""How the model writes a call into its text, by the name of the form."""


def _lists_of_calls(event: Event) -> Iterator[list[Any]]:
    """Yield both copies of an event's calls, as far as it has them."""
    holders = [event, *(choice.get("delta") or choice.get("message") or {} for choice in event.get("choices", ()))]
    return (holder["tool_calls"] for holder in holders if isinstance(holder.get("tool_calls"), list))


def _ids(how: str, _: str, events: list[Event]) -> list[Event]:
    for call in (call for event in events for calls in _lists_of_calls(event) for call in calls if "id" in call):
        call["id"] = {"absent": None, "null": None, "repeated": "chatcmpl-tool-0"}[how]
        if how == "absent":
            del call["id"]
    return events


def _empty_calls(_: None, step: str, events: list[Event]) -> list[Event]:
    if step in {"call", "finish", "whole"}:
        for calls in (calls for event in events for calls in _lists_of_calls(event)):
            calls.append({})
    return events


def _finalised(_: None, step: str, events: list[Event]) -> list[Event]:
    if step != "call":
        return events
    index = max((call.get("index", 0) for calls in _lists_of_calls(events[-1]) for call in calls), default=0)
    closing = {"id": None, "type": None, "index": index, "function": {"name": None, "arguments": ""}}
    return [*events, {"response": "", "tool_calls": [closing]}]


def _finish_reason(how: str, step: str, events: list[Event]) -> list[Event]:
    choices = [choice for event in events for choice in event.get("choices", ())]
    reason = next((choice["finish_reason"] for choice in choices if choice.get("finish_reason")), None)
    for choice in choices:
        choice["finish_reason"] = None
    moved = how == "top" and step == "finish" and reason is not None
    return [{"finish_reason": reason}, *events] if moved else events


def _empty_beside(_: None, step: str, events: list[Event]) -> list[Event]:
    if step == "text":
        for event in events:
            if "response" in event and event.get("choices"):
                event["choices"][0]["delta"] = {"role": "assistant", "content": ""}
    return events


def _is_fragment(event: Event) -> bool:
    return any("tool_calls" in choice.get("delta", {}) for choice in event.get("choices", ()))


def _whole_calls(_: None, step: str, events: list[Event]) -> list[Event]:
    """Join the fragments of a call into one event; shapes without fragments have that already."""
    carriers = [event for event in events if _is_fragment(event)]
    if step != "call" or not carriers:
        return events
    fragments = [event["choices"][0]["delta"]["tool_calls"][0] for event in carriers]
    joined = "".join(fragment["function"].get("arguments", "") for fragment in fragments)
    head = fragments[0] | {"function": fragments[0]["function"] | {"arguments": joined}}
    event = carriers[0]
    event["choices"][0]["delta"]["tool_calls"] = [head]
    if event.get("tool_calls"):
        event["tool_calls"] = [{"name": head["function"]["name"], "arguments": _parsed(joined)}]
    return [*(event for event in events if not _is_fragment(event)), event]


def _top_fragments(_: None, step: str, events: list[Event]) -> list[Event]:
    """Move the fragments out of `choices` to the top; shapes without fragments stay as they are."""
    if step != "call":
        return events
    return [_at_the_top(event) if _is_fragment(event) else event for event in events]


def _at_the_top(event: Event) -> Event:
    return {"response": "", "tool_calls": event["choices"][0]["delta"]["tool_calls"]}


def _nothing(what: str, step: str, events: list[Event]) -> list[Event]:
    if step in {"text", "call"} or (what == "events" and step != "whole"):
        return []
    if step == "whole":
        for event in events:
            for holder in [event, *(choice["message"] for choice in event.get("choices", ()))]:
                holder.pop("tool_calls", None)
                holder.update({key: "" for key in ("response", "content") if key in holder})
    return events


def _absent(key: str, _: str, events: list[Event]) -> list[Event]:
    other = "response" if key == "choices" else "choices"
    for event in events:
        if event.get(other, []) != [] or event.get(key) in (None, "", []):
            event.pop(key, None)
    return events


def _nulls(_: None, step: str, events: list[Event]) -> list[Event]:
    if step != "whole":
        for event in events:
            for holder in [event, *(choice.get("delta", {}) for choice in event.get("choices", ()))]:
                holder.update({key: None for key in ("response", "content") if holder.get(key) == ""})
    return events


def _huge(kilobytes: float, step: str, events: list[Event]) -> list[Event]:
    if events and step in {"start", "whole"}:
        events[0]["p"] = "x" * int(kilobytes * KILOBYTE)
    return events


PROVIDER = "Cloudflare's own client libraries"

OUTPUT_FAULTS: tuple[Fault, ...] = (
    OnSettings(
        "shape",
        "answers in this shape",
        "Cloudflare docs; recorded answers",
        OneOf(("native", "hybrid", "openai")),
        change=lambda settings, shape: replace(settings, shape=shape),
    ),
    OnSettings(
        "tokens",
        "sends text that is JSON by itself as its value (number, bool, null, object), or as the text it is",
        RECORDED,
        OneOf(("values", "text")),
        change=lambda settings, how: replace(settings, coerce=how == "values"),
    ),
    OnSettings(
        "padding",
        "sends events with random padding, or without",
        RECORDED,
        OneOf(("off", "on")),
        change=lambda settings, how: replace(settings, padding=how == "on"),
    ),
    OnSettings(
        "increments",
        "counts tokens in each event of the native shape too",
        RECORDED,
        change=lambda settings, _: replace(settings, increments=True),
    ),
    OnSettings(
        "json-streams",
        "streams an answer that a JSON schema is asked of",
        "made up",
        early=True,
        change=lambda settings, _: replace(settings, json_streams=True),
    ),
    Fault(RIDING, "sends the last text with the event that ends the answer", RECORDED),
    Fault(STOP, "ends at the words in the request's stop, which the schema does not know", "made up"),
    OnPieces("leak", "writes tool calls into the text, in this form", RECORDED, OneOf(tuple(LEAKS)), change=_leaked),
    OnEvents("whole-calls", "sends a call in one event where the shape has fragments", RECORDED, change=_whole_calls),
    OnEvents("top-fragments", "sends fragments of calls outside of choices", PROVIDER, change=_top_fragments),
    OnEvents(
        "ids",
        "leaves out the ids of calls, or gives all the same",
        PROVIDER,
        OneOf(("absent", "null", "repeated")),
        change=_ids,
    ),
    OnEvents("empty-calls", "puts {} among the tool calls", RECORDED, change=_empty_calls),
    OnEvents("null-finalisation", "ends each call with a fragment of nulls", PROVIDER, change=_finalised),
    *USAGE_FAULTS,
    OnEvents(
        "finish-reason",
        "leaves it out, or sends it alone at the top",
        PROVIDER,
        OneOf(("absent", "top")),
        change=_finish_reason,
    ),
    OnEvents(
        "empty-beside", "leaves the copy of the text in choices empty (hybrid shape)", RECORDED, change=_empty_beside
    ),
    OnEvents(
        "nothing",
        "says nothing: neither text nor call, or not one event before [DONE]",
        PROVIDER,
        OneOf(("words", "events")),
        change=_nothing,
    ),
    OnEvents(
        "absent",
        "leaves out this part of an answer that comes in both forms",
        REPORTED,
        OneOf(("response", "choices", "tool_calls")),
        change=_absent,
    ),
    OnEvents("nulls", "sends null for empty text", REPORTED, change=_nulls),
    OnEvents(
        "huge-event", "pads the first event to this size", "made up", Number("KILOBYTES", 1024, 1, 65_536), change=_huge
    ),
)
