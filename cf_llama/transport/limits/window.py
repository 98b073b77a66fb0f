"""What is known of the windows in which the service counts: their length, and when the next may begin. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf, isfinite

MARGIN = 0.02
"""Seconds by which clocks and ways differ, and the share by which lengths that are the same do."""
_RESTED_SECONDS, _RESTED = 2.0, 0.25  # without a probe, or this share of the time since the burst
ROUND = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 60, 120, 300, 600, 3600)
"""Lengths of windows in seconds that people choose."""
_ARRIVAL = 0.1  # seconds in which the first request of a burst arrives, as connections are made
_ALIGNED = 10  # seconds from which windows are looked for at multiples of their length


class Window:
    """The window of a rate limit.

    Args:
        seconds: Its length, if configured; None learns it from the times at which requests are admitted again.
        offset: Seconds to add to the pacer's clock to get seconds since 1970, in which windows may be aligned.
    """

    def __init__(self, seconds: float | None, offset: float) -> None:
        self._offset = offset
        self.is_configured, self.seconds = seconds is not None, seconds
        """Told, or learned."""
        self.opened = -inf
        """When the first request of this window was sent."""
        self.refused_at = -inf
        """When a request was refused for the last time: the next window began after it."""
        self.is_early = False
        """Whether a request was admitted before any window since the burst could have passed."""
        self._opened_after = -inf
        self._shortest = 0.0  # of what the length may be
        self._is_aligned = False  # windows begin at multiples of their length since 1970

    def admitted_again(self, at: float) -> None:
        """Learn from a request that was admitted, so many seconds after the burst."""
        whole = ceil(self.refused_at - self.opened)
        self._is_aligned = whole > 0 and -MARGIN <= self.next_multiple(self.refused_at, whole) - at <= MARGIN / 2
        if not self.is_configured:
            self._learn(at)
        elif self.seconds:
            self.is_early = at - self.opened < self.seconds * (1 - MARGIN)
        self._opened_after = self.refused_at

    def _learn(self, at: float) -> None:
        longest, shortest = at - self.earliest_opening, self.refused_at - self.opened
        rested = at - self.refused_at > max(_RESTED_SECONDS, _RESTED * longest)  # so it may have begun long ago
        if rested and (self.seconds is None or longest > self.seconds):
            return
        if self.seconds is not None and shortest > self.seconds * (1 + MARGIN):  # that was only the rest of a window
            self.is_early = True
            self.seconds, self._shortest = at - self.earliest_opening, shortest
        elif self.seconds is None or longest < self.seconds * (1 - MARGIN):
            self.seconds, self._shortest = longest, min(longest, max(shortest, self._shortest))
        else:
            self._shortest = max(self._shortest, min(shortest, self.seconds))

    def doubt(self) -> None:
        """Forget how short it may be: what was taken for one window fell into two."""
        self._shortest = 0.0

    @property
    def earliest_opening(self) -> float:
        """When this window may have begun: a fixed one at any time since the last refusal."""
        return self._opened_after if self.is_early and isfinite(self._opened_after) else self.opened

    def beginnings(self, now: float, precision: float) -> Iterator[float]:
        """When the next window may begin: by the clock, by the middle of what is possible, at the latest.

        Args:
            now: The time.
            precision: Share of the length within which it need not be known any better.
        """
        latest = self.latest_beginning
        if not self.is_configured:
            earliest = max(now, self.earliest_opening + self._shortest)
            yield from self._whole_seconds(earliest, latest)
            middle = (earliest + latest) / 2
            if latest - middle > max(4 * MARGIN, precision * (self.seconds or 0.0)):
                yield middle
        yield latest

    @property
    def latest_beginning(self) -> float:
        """When the next window begins, if its length is as was learned."""
        return self.opened + (self.seconds or 0.0) + MARGIN

    def likely_beginnings(self) -> Iterator[float]:
        """When the next window begins, if its length is one that people choose."""
        margin = MARGIN if self.seconds else _ARRIVAL
        return (self.opened + seconds + margin for seconds in ROUND)

    def aligned_beginnings(self, now: float) -> Iterator[float]:
        """When the next window begins, if its length is such a one and it begins by the clock."""
        return (self.next_multiple(now, seconds) for seconds in ROUND if seconds >= _ALIGNED)

    def _whole_seconds(self, earliest: float, latest: float) -> Iterator[float]:
        """Lengths that people choose are whole seconds."""
        whole = ceil(self._shortest)
        if 0 < whole <= (self.seconds or 0.0):
            multiple = self.next_multiple(earliest, whole)
            if self._is_aligned and multiple < latest:
                yield multiple
            yield self.opened + whole + MARGIN

    def next_multiple(self, now: float, seconds: float) -> float:
        """The next beginning of a window that is aligned with the clock."""
        begins = ceil((now + self._offset) / seconds) * seconds - self._offset + MARGIN
        return begins if begins > now and isfinite(begins) else now + seconds

    def move_on(self, now: float) -> None:
        """A fixed window has begun at a multiple of its length after the last one, however long nothing was sent."""
        seconds = self.seconds or 0.0
        self.opened += seconds * ((now - self.opened) // seconds)
