"""What is known of the windows in which the service counts: their length, and when the next may begin. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf, isfinite

MARGIN = 0.02
"""Seconds by which clocks and ways differ, and the share by which lengths that are the same do."""
_RESTED = 0.25  # share of the time since a burst
_LATE_INTERVAL, _LATE_GROWTH = 0.7, 0.06  # seconds between predictions once a window is overdue, or share of the delay


class Window:
    """The window of a rate limit.

    Args:
        seconds: Its length, if it is told; None learns it from the times at which requests are admitted again.
        offset: Seconds to add to the pacer's clock to get seconds since 1970, in which windows may be aligned.
    """

    def __init__(self, seconds: float | None, offset: float) -> None:
        self._is_told, self._offset = seconds is not None, offset
        self.seconds = seconds
        """Told, or learned."""
        self.opened = -inf
        """When the first request of this window was sent."""
        self.refused_at = -inf
        """When a request was refused for the last time: the next window began after it."""
        self.is_early = False
        """Whether a request was admitted before any window since the burst could have passed."""
        self._shortest = 0.0  # of what the length may be
        self._is_aligned = False  # windows begin at multiples of their length since 1970

    def admitted_again(self, at: float) -> None:
        """Learn from a request that was admitted, so many seconds after the burst."""
        gap, shortest = at - self.opened, self.refused_at - self.opened
        whole = ceil(shortest)
        self._is_aligned = whole > 0 and -MARGIN <= self.next_multiple(self.refused_at, whole) - at <= MARGIN / 2
        if not self._is_told:
            self._learn(gap, shortest)
        elif self.seconds:
            self.is_early = gap < self.seconds * (1 - MARGIN)

    def _learn(self, gap: float, shortest: float) -> None:
        rested = gap - shortest > max(1.0, _RESTED * gap)  # nobody asked, so the window may have begun long ago
        if rested and (self.seconds is None or gap > self.seconds):
            return
        if self.seconds is None or gap < self.seconds * (1 - MARGIN):
            self.seconds, self._shortest = gap, shortest
        elif shortest > self.seconds * (1 + MARGIN):  # the first gap was only the rest of a window
            self.seconds, self._shortest, self.is_early = gap, shortest, True
        else:
            self._shortest = max(self._shortest, min(shortest, self.seconds))

    def beginnings(self, now: float) -> Iterator[float]:
        """When the next window may begin: by the clock, by the middle of what is possible, at the latest."""
        seconds = self.seconds or 0.0
        latest = self.opened + seconds + MARGIN
        if not self._is_told:
            earliest = max(now, self.opened + self._shortest)
            yield from self._whole_seconds(earliest, latest)
            middle = (earliest + latest) / 2
            if latest - middle > 4 * MARGIN:
                yield middle
        yield latest
        if now >= latest:
            late = now - latest
            yield now + max(0.1, min(_LATE_INTERVAL, late), _LATE_GROWTH * late)

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
