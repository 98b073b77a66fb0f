"""The service of the chaos run: an emulator in a process of its own, with faults by chance and a ledger of them."""

from __future__ import annotations

import json
import logging
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

from benchmarks.chaos.meaning import QUESTION, KeyedEngine, meaning, tokens
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.request_log import LoggedRequest
from cf_llama_emulator.wire.parse_request import parse_request
from cf_llama_emulator.wire.tokens import estimate_input

MEMORY = 5000
"""How many questions are remembered."""

SOON = "retry-after=20ms"
SHAPES = ("shape=native", "shape=hybrid", "shape=openai")
PADDING = ("padding=off", "nulls", "tokens=text")
FORM = ("json-answer", "bare", "recorded")
FRAMING = tuple(
    f"framing={how}" for how in ("crlf", "cr", "no-space", "no-blank-lines", "fields", "blank-data", "malformed", "bom")
)
PIECES = ("split=97", "split=23", "split=1", "merge", "jitter=0.003", "latency=0.02", "huge-event=256")
HEADERS = ("gzip", *(f"content-type={kind}" for kind in ("text/html", "text/event-stream", "application/json")))
CALLS = ("ids=absent", "ids=null", "ids=repeated", "empty-calls", "null-finalisation", "whole-calls", "top-fragments")
COPIES = ("empty-beside", "absent=response", "absent=choices", "absent=tool_calls")
USAGE_FAULTS = (
    *("no-usage", "no-usage=increments", "increments"),
    *("usage-twice", "usage-twice=zeros", "usage-twice=details"),
)
ENDS = (*USAGE_FAULTS, "finish-reason=absent", "finish-reason=top", "text-at-end")
HARMLESS = (PADDING, (*FORM, *FRAMING), PIECES, HEADERS, (*CALLS, *COPIES), ENDS)
"""Faults under which the answer is the same: out of each row one at most."""
LEAKS = ("leak=json", "leak=function", "leak=tag", "leak=python", "leak=fenced")
REFUSED_FOR_NOW = (
    *("capacity", "capacity, form=gateway", "capacity, form=binding", "error=3040, form=code-in-text", "rate-limited"),
    *(
        "page=502",
        "page=524",
        "edge-limited",
        "capacity, form=problem",
        "error=3043",
        "error=3043, status",
        "error=2005",
        "error=3046",
    ),
    *("error=3050", "error=8004, form=openai"),
)
REFUSED = (
    *("error=2041", "error=2041, status", "error=10000", "error=10000, status=403", "error=5006", "guardrails"),
    *("context-overflow", "page=403", "error=8007, form=embedded", "error=5007, form=run"),
)
PLACES = ("byte", "event", "character", "start", "byte@0", "event@5", "byte@9", "character@4", "event@40")
BROKEN = (
    *("no-answer", "no-answer=reset", "gzip=broken", "error-event=errors", "error-event=error", "error-event=text@4"),
    *("error-event=name@0", "error-event=success@7"),
    *(f"{fault}={place}" for fault in ("cut", "reset", "truncate") for place in PLACES),
)
HANGING = ("no-answer=hang", *(f"hang={place}" for place in PLACES))

FATES = {"harmless": 70, "refused for now": 12, "refused": 5, "broken": 11, "hanging": 0.7, "plain": 5}
"""What befalls a request, and how often, relative to the others."""


def faults_of(seed: int, key: int, attempt: int, kind: str) -> tuple[str, str]:
    """Return what befalls a request and the faults that do it: the same for the same numbers, in every run."""
    chance = random.Random(f"{seed} {key} {attempt}")
    fate = chance.choices(list(FATES), list(FATES.values()))[0]
    shape = chance.choice(SHAPES)
    match fate:
        case "harmless":
            return fate, ", ".join([shape, *_harmless(chance, kind)])
        case "refused for now":
            return fate, f"{chance.choice(REFUSED_FOR_NOW)}, {SOON}"
        case "refused":
            return fate, chance.choice(REFUSED)
        case "broken":
            return fate, f"{shape}, {chance.choice(BROKEN)}, padding=off"
        case "hanging":
            return fate, f"{shape}, {chance.choice(HANGING)}"
    return fate, shape


def _harmless(chance: random.Random, kind: str) -> list[str]:
    rows = [chance.choice(row) for row in HARMLESS if _likely(chance, 0.4)]
    if kind in {"call", "forced"} and _likely(chance, 0.3):
        rows.append(chance.choice(LEAKS))
    if kind != "empty" and not set(rows) & set(ENDS) and _likely(chance, 0.2):
        rows.append("no-done")  # the other signs of the end are there
    return rows


def _likely(chance: random.Random, probability: float) -> bool:
    return chance.random() < probability


class Ledger:
    """Chooses the faults of each request, and writes down what befell it and what was meant."""

    def __init__(self, seed: int, out: TextIO) -> None:
        """Write to `out`, a line for each request."""
        self._seed, self._out = seed, out
        self._attempts: Counter[int] = Counter()

    def __call__(self, seen: LoggedRequest) -> str:
        """Return the faults of one request."""
        body = seen.body
        key, kind = QUESTION.search(body["messages"][0]["content"]).groups()  # type: ignore[union-attr] # always there
        attempt = self._attempts[int(key)] = self._attempts[int(key)] + 1
        if len(self._attempts) > MEMORY:
            del self._attempts[next(iter(self._attempts))]
        fate, faults = faults_of(self._seed, int(key), attempt, kind)
        again = len(body["messages"]) > 1
        meant = meaning(int(key), kind, again=again)
        connection = {"key": int(key), "kind": kind, "fate": fate, "faults": faults, "again": again}
        counts = [estimate_input(parse_request("", body)), tokens(meant)]
        connection |= {"text": meant.text, "calls": meant.calls, "counts": counts}
        self._out.write(json.dumps(connection) + "\n")
        self._out.flush()
        return faults


def main(seed: int, path: Path) -> None:
    """Say the address, and serve until whoever asked for it closes our input or dies."""
    with path.open("w") as out, serve(KeyedEngine(), faults=Ledger(seed, out), log_length=1) as emulator:
        print(emulator.base_url, emulator.account_id, emulator.api_token, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of writing to clients that went away
    main(int(sys.argv[1]), Path(sys.argv[2]))
