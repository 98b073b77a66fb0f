"""Each answer against the ledger: nothing lost, doubled or crossed, no failure hidden and none made up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.chaos.calls import STREAMS, Outcome
from cf_llama import WorkersAIError
from cf_llama.protocol.errors import (
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    ContextOverflowError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
)

Entry = dict[str, Any]

ATTEMPTS = 3
"""One and two retries."""
TWICE = {3046, 5024}
"""Refusals that are asked again once: the service has worked for long, or the model cannot do it."""
BREAKS = (BadResponseError, ConnectionFailedError, RequestTimeoutError, ServiceError, StreamInterruptedError)

REFUSALS: Mapping[str, type[WorkersAIError]] = {
    "error=2041": QuotaExceededError,
    "error=2041, status": QuotaExceededError,
    "error=10000": AuthenticationError,
    "error=10000, status=403": PermissionDeniedError,
    "error=5006": InvalidRequestError,
    "guardrails": InvalidRequestError,
    "context-overflow": ContextOverflowError,
    "page=403": PermissionDeniedError,
    "error=8007, form=embedded": InvalidRequestError,
    "error=5007, form=run": NotFoundError,
}
"""What each final refusal is to become."""


def complaints(outcome: Outcome, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what is wrong with an outcome, given what befell its requests."""
    if not entries:
        if not outcome.leaves:
            yield "no request came"
        return
    last = entries[-1]
    if len(entries) > ATTEMPTS + last["again"] + sum(map(_keeps_its_place, entries)):
        yield f"{len(entries)} requests"
    if any(_is_final(entry) for entry in entries[:-1] if not _unforced(outcome, entry)):
        yield "asked again for no reason"
    if not last["text"].startswith(outcome.shown) and outcome.kind != "json":
        yield f"showed {outcome.shown!r}"
    if outcome.error is not None:
        yield from _of_error(outcome, entries, outcome.error)
    elif outcome.whole:
        yield from _of_answer(outcome, entries)
    elif not outcome.leaves:
        yield "ended without an end"


def _keeps_its_place(entry: Entry) -> bool:
    """Whether the request was beyond the rate limit, so that the call waited again without counting an attempt."""
    return entry["faults"].startswith(("rate-limited", "edge-limited"))


def _is_final(entry: Entry) -> bool:
    return entry["fate"] in {"harmless", "plain", "refused"}


def _unforced(outcome: Outcome, entry: Entry) -> bool:
    """Whether the service answered a forced question in words, so that it was asked once more."""
    return outcome.kind == "forced" and bool(entry["text"]) and entry["fate"] != "refused"


def _of_answer(outcome: Outcome, entries: Sequence[Entry]) -> Iterator[str]:
    last = entries[-1]
    if last["fate"] in {"refused", "refused for now"}:
        yield "answered although refused"
    text = _compared(outcome, outcome.text)
    if text != _compared(outcome, last["text"]):
        yield f"text {text!r} instead of {last['text']!r}"
    if outcome.way in STREAMS and outcome.shown != outcome.text:
        yield f"showed {outcome.shown!r} of {outcome.text!r}"
    if [list(call) for call in outcome.calls] != last["calls"]:
        yield f"calls {outcome.calls} instead of {last['calls']}"
    if len(set(outcome.ids)) != len(outcome.calls) or not all(outcome.ids):
        yield f"ids {outcome.ids}"
    if outcome.way in STREAMS and outcome.kind != "json" and "error-event" in last["faults"]:
        yield "answered although the service told of a failure"
    if last["fate"] != "broken" and outcome.counts != (counts := _counts(outcome, entries)) and counts:
        yield f"counts {outcome.counts} instead of {counts}"


def _counts(outcome: Outcome, entries: Sequence[Entry]) -> list[int] | None:
    """Return what an answer cost, with the answers in words that were not taken; None where nobody can tell."""
    paid = [entry for entry in entries[:-1] if _unforced(outcome, entry)] + [entries[-1]]
    if any("no-usage" in entry["faults"] or entry["fate"] not in {"harmless", "plain"} for entry in paid):
        return None
    return [sum(entry["counts"][at] for entry in paid) for at in (0, 1)]


def _compared(outcome: Outcome, text: str) -> Any:
    """JSON may come back with other white space: the service hands it on parsed."""
    if outcome.kind != "json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _of_error(outcome: Outcome, entries: Sequence[Entry], error: Exception) -> Iterator[str]:
    last = entries[-1]
    if not isinstance(error, WorkersAIError):
        yield f"an error of another kind: {error!r}"
        return
    if error.is_retryable and len(entries) < (2 if error.code in TWICE else ATTEMPTS) and not outcome.leaves:
        yield f"gave up after {len(entries)} requests: {error!r}"
    if last["fate"] in {"harmless", "plain"}:
        yield f"failed although answered: {error!r}"
    if last["fate"] == "refused" and not isinstance(error, REFUSALS[last["faults"]]):
        yield f"a refusal became {error!r}"
    if last["fate"] == "refused for now" and not error.is_retryable:
        yield f"a refusal for now became final: {error!r}"
    if last["fate"] == "broken" and not isinstance(error, BREAKS):
        yield f"a break became {error!r}"
    if last["fate"] == "hanging" and not isinstance(error, RequestTimeoutError | StreamInterruptedError):
        yield f"a hang became {error!r}"
    partial = error.partial.text if error.partial else ""
    if not last["text"].startswith(partial) or not partial.startswith(outcome.shown):
        yield f"partial {partial!r} after {outcome.shown!r} of {last['text']!r}"
