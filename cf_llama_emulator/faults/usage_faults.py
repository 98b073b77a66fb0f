"""Faults in what is counted: tokens, those out of a cache, and neurons."""

from __future__ import annotations

from cf_llama_emulator.faults.kinds import Fault, OnEvents
from cf_llama_emulator.faults.values import Number, OneOf
from cf_llama_emulator.wire.tokens import neurons
from cf_llama_emulator.wire.writers import Event

RECORDED, REPORTED = "recorded streams", "reports of users"


def _without_usage(where: str, step: str, events: list[Event]) -> list[Event]:
    closes = step in {"finish", "whole"}
    if where == "everywhere" or closes == (where == "closing"):
        for event in events:
            event.pop("usage", None)
    return events


def _repeated_usage(second: str, step: str, events: list[Event]) -> list[Event]:
    if step != "finish" or "usage" not in events[-1]:
        return events
    usage = dict(events[-1]["usage"])
    if second == "zeros":
        usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
    elif second == "details":
        usage["prompt_tokens_details"] = {"cached_tokens": 0}
    return [*events, {"response": "", "usage": usage}]


def _cached(tokens: float, _: str, events: list[Event]) -> list[Event]:
    for usage in (event["usage"] for event in events if "usage" in event):
        usage["prompt_tokens_details"] = {"cached_tokens": min(int(tokens), usage["prompt_tokens"])}
    return events


def _billed(factor: float, _: str, events: list[Event]) -> list[Event]:
    for usage in (event["usage"] for event in events if "usage" in event):
        usage["neurons"] = factor * neurons(usage["prompt_tokens"], usage["completion_tokens"])
    return events


USAGE_FAULTS: tuple[Fault, ...] = (
    OnEvents(
        "no-usage",
        "leaves out token counts: everywhere, the increments of a stream, or the sum that closes it",
        REPORTED,
        OneOf(("everywhere", "increments", "closing")),
        change=_without_usage,
    ),
    OnEvents(
        "usage-twice",
        "sends the closing counts twice, the second time the same, as zeros or with details",
        RECORDED,
        OneOf(("same", "zeros", "details")),
        change=_repeated_usage,
    ),
    OnEvents(
        "cached",
        "counts so many tokens of the prompt as read from a cache",
        "Cloudflare docs: prompt caching",
        Number("TOKENS", 100, 0, whole=True),
        change=_cached,
    ),
    OnEvents(
        "neurons",
        "tells so many times the usual neurons, as was reported of JSON mode",
        REPORTED,
        Number("FACTOR", 2.5, 0, 1000),
        change=_billed,
    ),
)
