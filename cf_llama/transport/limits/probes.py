"""When to ask whether requests are admitted again, while the limit is reached. Pure: it is given the time.

Each way of counting predicts other times at which a request is admitted again after a burst. A single request (probe)
at those times tells which way it is; between them, probes are as seldom as the requests are few, as most are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log1p

from cf_llama.transport.limits.pacer import Counting
from cf_llama.transport.limits.states import Closed
from cf_llama.transport.limits.window import MARGIN, Window

SHORTEST_INTERVAL = 0.25
"""Seconds between probes after a window that should be over."""
_CONFIGURED_INTERVAL, _CONFIGURED_SHARE = 0.95, 0.018
"""If the limit is configured, and only the way of counting is not known: the same, and the share of all requests that
may be refused probes."""
_LEARNING_INTERVAL, _LEARNING_SHARE = 1.0, 0.1
"""Where the window is not known: seconds between the first probes, and the same share."""
_GROWTH, _STEEPEST_GROWTH = 0.05, 0.1
"""Between the later ones, the share of the time since the limit showed, which is what may be lost by asking late; and
where there are few requests, of which few may be refused."""
_LONGEST_SEARCH = 60.0
"""Seconds of the longest window for which the share is spent."""
_PRECISE, _ROUGH = 0.02, 0.05
"""Shares of a window's length within which it need not be known any better; the latter where probes are too many."""
_SOONEST = 0.1
"""Seconds until the first of the likely times that is worth a probe."""


class ProbeSchedule:
    """Decides when the next probe may be sent, by what is known and by how many requests there are."""

    def __init__(self) -> None:
        self.sent = self.refused = self.waiting = 0
        """Requests of all the time, and calls that wait."""
        self._limited_at: float | None = None  # when a limit showed for the first time

    def next_at(self, now: float, closed: Closed, window: Window, counting: Counting, requests: int) -> float:
        """When the next probe may be sent: the first time at which some way of counting admits a request."""
        if self._limited_at is None:
            self._limited_at = closed.at
        if counting is not Counting.UNKNOWN and window.seconds:
            times = self._of_known_window(now, window)
        elif window.is_configured:
            times = self._of_configured_window(now, closed, window, requests)
        elif window.seconds and now < window.opened + window.seconds:
            return window.opened + window.seconds
        else:
            times = iter([self._of_unknown_window(now, window)])
        return min(time for time in times if time > now)

    @property
    def is_affordable(self) -> bool:
        """Whether another refused request is within the share of all requests that may be."""
        return self._affordable >= 1

    @property
    def _affordable(self) -> float:
        return _LEARNING_SHARE * (self.sent + self.waiting) - self.refused

    def _of_known_window(self, now: float, window: Window) -> Iterator[float]:
        yield from window.beginnings(now, _PRECISE if self.is_affordable else _ROUGH)
        late = now - window.latest_beginning
        if late >= 0:
            yield now + max(SHORTEST_INTERVAL, late)
            yield self._of_unknown_window(now, window)

    def _of_configured_window(self, now: float, closed: Closed, window: Window, requests: int) -> Iterator[float]:
        """One window after the burst, once a bucket has got a token, or when a window begins by the clock."""
        seconds = window.seconds or 0.0
        yield window.opened + seconds + MARGIN
        yield closed.at + 1.5 * seconds / requests + MARGIN
        yield window.next_multiple(now, seconds)
        budget = max(1.0, _CONFIGURED_SHARE * (self.sent + self.waiting) - self.refused)
        yield now + max(_CONFIGURED_INTERVAL, seconds / budget)

    def _of_unknown_window(self, now: float, window: Window) -> float:
        """The last of the likely times within the interval, of the likeliest first, or the end of the interval."""
        end = now + self._interval(now)
        for times in (window.likely_beginnings(), window.aligned_beginnings(now)):
            within = [time for time in times if now + _SOONEST < time <= end]
            if within:
                return max(within)
        return end

    def _interval(self, now: float) -> float:
        """Seconds until the next probe at the latest."""
        elapsed = min(now - (now if self._limited_at is None else self._limited_at), _LONGEST_SEARCH)
        growth = log1p(_STEEPEST_GROWTH * (_LONGEST_SEARCH - elapsed)) / max(1.0, self._affordable)
        return _LEARNING_INTERVAL + min(max(growth, _GROWTH), _STEEPEST_GROWTH) * elapsed
