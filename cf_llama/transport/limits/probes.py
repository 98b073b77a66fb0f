"""When to ask again under a limit whose window is not known: seldom, and when windows that people choose end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import log1p

_INTERVAL, _GROWTH = 1.0, 0.05
"""Seconds between probes, and the share of the time since the limit showed: what may be lost by asking late."""
_STEEPEST = 0.1
"""The same share where there are few requests, of which few may be refused."""
_SHARE = 0.1
"""Of all requests may be refused while the window is found."""
_LONGEST = 60.0
"""Seconds of the longest window that is looked for with all of these probes."""
_SOONEST = 0.1


def interval(elapsed: float, requests: int, refused: int) -> float:
    """Seconds until the next probe at the latest.

    Args:
        elapsed: Seconds since the limit showed for the first time.
        requests: How many there are, sent and waiting.
        refused: How many were refused.
    """
    elapsed = min(elapsed, _LONGEST)
    left = max(1.0, _SHARE * requests - refused)
    growth = log1p(_STEEPEST * (_LONGEST - elapsed)) / left
    return _INTERVAL + min(max(growth, _GROWTH), _STEEPEST) * elapsed


def next_probe(now: float, longest: float, *likely: Iterable[float]) -> float:
    """Return the last of the likely times within so many seconds, of the likeliest first, or the end of the seconds."""
    for times in likely:
        within = [time for time in times if now + _SOONEST < time <= now + longest]
        if within:
            return max(within)
    return now + longest
