"""What an account has used up: requests in a window, counted in one of three ways, requests at once, and neurons."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cf_llama_emulator.faults.codes import error_of
from cf_llama_emulator.wire.errors import ServiceError

MINUTE, DAY = 60.0, 86_400.0
COUNTINGS = ("sliding", "fixed", "bucket")
_UNITS = {"ms": 0.001, "s": 1.0, "m": MINUTE}
_RATE = re.compile(r"(\d{1,9})(?:@(\d{1,9}(?:\.\d{1,9})?)(ms|s|m))?(?:,\s*(\w+))?")


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit as it is written: `300`, `300@10s`, `300@60s,fixed`."""

    requests: int
    seconds: float = MINUTE
    counting: str = "sliding"
    """sliding: any window of so many seconds; fixed: windows that begin at multiples of it since 1970; bucket: a token
    bucket of so many requests that refills within the window."""

    def __str__(self) -> str:
        counting = "" if self.counting == "sliding" else f",{self.counting}"
        window = "" if self.seconds == MINUTE and not counting else f"@{self.seconds:g}s"
        return f"{self.requests}{window}{counting}"


@dataclass(frozen=True, slots=True)
class Rates:
    """How a rate limit is read."""

    default: int = 300

    @property
    def hint(self) -> str:  # noqa: D102 - see Value
        return f"=REQUESTS[@SECONDSs][,{'|'.join(COUNTINGS)}] ({self.default}@60s,{COUNTINGS[0]})"

    def read(self, text: str | None) -> Rate:  # noqa: D102 - see Value
        match = _RATE.fullmatch(str(self.default) if text is None else text)
        if match is None or (match[4] or COUNTINGS[0]) not in COUNTINGS or (match[2] and float(match[2]) <= 0):
            form = f"REQUESTS, REQUESTS@SECONDSs or REQUESTS@SECONDSs,COUNTING with one of {', '.join(COUNTINGS)}"
            raise ValueError(f"must be {form}, not {text!r}")
        seconds = float(match[2]) * _UNITS[match[3]] if match[2] else MINUTE
        return Rate(int(match[1]), seconds, match[4] or COUNTINGS[0])


@dataclass
class UsageCounter:
    """Requests and neurons that one emulator has counted."""

    clock: Callable[[], float] = time.time
    """Seconds since 1970; days begin at 00:00 UTC."""
    under_way: int = 0
    """Requests that are being answered."""
    _admitted: deque[float] = field(default_factory=deque)
    _windows: dict[Rate, tuple[float, int]] = field(default_factory=dict)
    _buckets: dict[Rate, tuple[float, float]] = field(default_factory=dict)
    _day: int = 0
    _neurons: float = 0.0

    def has_room(self, rate: Rate) -> bool:
        """Whether one more request comes within the rate."""
        now = self.clock()
        match rate.counting:
            case "fixed":
                return self._in_fixed_window(rate, now) < rate.requests
            case "bucket":
                return self._tokens(rate, now) >= 1
        return not self._is_full(rate, now)

    def count(self, rate: Rate) -> None:
        """Count one more request."""
        now = self.clock()
        match rate.counting:
            case "fixed":
                self._windows[rate] = now // rate.seconds, self._in_fixed_window(rate, now) + 1
            case "bucket":
                self._buckets[rate] = self._tokens(rate, now) - 1, now
            case _:
                self._admitted.append(now)

    def _is_full(self, rate: Rate, now: float) -> bool:
        while self._admitted and self._admitted[0] <= now - max(rate.seconds, MINUTE):
            self._admitted.popleft()
        if len(self._admitted) < rate.requests:
            return False
        return not rate.requests or self._admitted[-rate.requests] > now - rate.seconds

    def _in_fixed_window(self, rate: Rate, now: float) -> int:
        window, count = self._windows.get(rate, (0.0, 0))
        return count if window == now // rate.seconds else 0

    def _tokens(self, rate: Rate, now: float) -> float:
        tokens, at = self._buckets.get(rate, (float(rate.requests), now))
        return min(rate.requests, tokens + (now - at) * rate.requests / rate.seconds)

    def spend(self, neurons: float) -> None:
        """Count what an answer cost."""
        self._neurons = self.neurons + neurons

    @property
    def neurons(self) -> float:
        """Neurons spent since 00:00 UTC."""
        today = int(self.clock() // DAY)
        if today != self._day:
            self._day, self._neurons = today, 0.0
        return self._neurons


def over_rate(usage: UsageCounter, rate: Rate) -> ServiceError | None:
    """Refuse with 429/3021 what comes above the rate."""
    return None if usage.has_room(rate) else error_of(3021)


def over_quota(usage: UsageCounter, limit: float) -> ServiceError | None:
    """Refuse with 429/4006 once `limit` neurons are spent, until 00:00 UTC."""
    return None if usage.neurons < limit else error_of(4006)


def over_capacity(usage: UsageCounter, limit: float) -> ServiceError | None:
    """Refuse with 429/3040 while `limit` requests are being answered."""
    return None if usage.under_way < limit else error_of(3040)
