"""A limit on what is begun in a minute."""

from __future__ import annotations

from collections import deque

_WINDOW = 61.0  # seconds: a minute, and a second by which one may reach the service later than another


class Rate:
    """Hands out the moments at which something may begin, in the order of asking.

    Args:
        per_minute: How many may begin within any minute, as the service counts them.

    Raises:
        ValueError: `per_minute` is below 1.
    """

    def __init__(self, per_minute: int) -> None:
        if per_minute < 1:
            raise ValueError(f"per_minute must be 1 or more, not {per_minute}")
        self._started: deque[float] = deque(maxlen=per_minute)

    def reserve(self, now: float) -> float:
        """Seconds to wait before the next one may begin; it counts as begun then.

        Args:
            now: Seconds on a clock that never goes back.
        """
        full = len(self._started) == self._started.maxlen
        begin = max(now, self._started[0] + _WINDOW) if full else now
        self._started.append(begin)
        return begin - now
