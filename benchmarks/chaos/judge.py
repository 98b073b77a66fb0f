"""Each answer against the ledger: nothing lost, doubled or crossed, no failure hidden and none made up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.chaos.calls import STREAMS, Outcome
from cf_llama import WorkersAIError
from cf_llama.errors import (
    BadResponseError,
    ConnectionFailedError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
)

Entry = dict[str, Any]

ATTEMPTS = 3
"""One and two retries."""
BREAKS = (BadResponseError, ConnectionFailedError, RequestTimeoutError, ServiceError, StreamInterruptedError)


def complaints(outcome: Outcome, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what is wrong with an outcome, given what befell its requests."""
    if not entries:
        if not outcome.leaves:
            yield "no request came"
        return
    last = entries[-1]
    if len(entries) > ATTEMPTS + last["again"]:
        yield f"{len(entries)} requests"
    if any(_is_final(entry) for entry in entries[:-1] if not _unforced(outcome, entry)):
        yield "asked again for no reason"
    if not last["text"].startswith(outcome.shown) and outcome.kind != "json":
        yield f"showed {outcome.shown!r}"
    if outcome.error is not None:
        yield from _of_error(outcome, last, outcome.error)
    elif outcome.whole:
        yield from _of_answer(outcome, last)
    elif not outcome.leaves:
        yield "ended without an end"


def _is_final(entry: Entry) -> bool:
    return entry["fate"] in {"harmless", "plain", "refused"}


def _unforced(outcome: Outcome, entry: Entry) -> bool:
    """Whether the service answered a forced question in words, so that it was asked once more."""
    return outcome.kind == "forced" and bool(entry["text"]) and entry["fate"] != "refused"


def _of_answer(outcome: Outcome, last: Entry) -> Iterator[str]:
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
    if outcome.tokens is None and "no-usage" not in last["faults"] and last["fate"] != "broken":
        yield "no counts"


def _compared(outcome: Outcome, text: str) -> Any:
    """JSON may come back with other white space: the service hands it on parsed."""
    if outcome.kind != "json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _of_error(outcome: Outcome, last: Entry, error: Exception) -> Iterator[str]:
    if not isinstance(error, WorkersAIError):
        yield f"an error of another kind: {error!r}"
        return
    if last["fate"] in {"harmless", "plain"}:
        yield f"failed although answered: {error!r}"
    if last["fate"] == "broken" and not isinstance(error, BREAKS):
        yield f"a break became {error!r}"
    if last["fate"] == "hanging" and not isinstance(error, RequestTimeoutError | StreamInterruptedError):
        yield f"a hang became {error!r}"
    partial = error.partial.text if error.partial else ""
    if not last["text"].startswith(partial) or not partial.startswith(outcome.shown):
        yield f"partial {partial!r} after {outcome.shown!r} of {last['text']!r}"
