"""The requests counted in the current window, and in the one before. Pure: it is given the time."""

from __future__ import annotations

from bisect import bisect_left, insort

from cf_llama.config.rate_limit import MINUTE
from cf_llama.transport.limits.pacer import Sent

_KEPT = 2000
"""Requests of which all are remembered, however long ago; of more, those of the last minute."""


class Sends:
    """When requests of the current window were sent; refused ones are left out."""

    def __init__(self) -> None:
        self.epoch = 0
        """The number of the current window."""
        self._times: list[float] = []  # in order
        self._previous: list[float] = []  # of the window before

    def __len__(self) -> int:
        return len(self._times)

    @property
    def first(self) -> float:
        """When the first one was sent."""
        return self._times[0]

    @property
    def last(self) -> float:
        """When the last one was sent."""
        return self._times[-1]

    def at(self, place: int) -> float:
        """When that one of them was sent, counted from 0."""
        return self._times[place]

    def add(self, now: float) -> None:
        """Count a request."""
        self._times.append(now)

    def before(self, sent: Sent) -> int:
        """How many of them were sent before that request."""
        return bisect_left(self._times, sent.at)

    def holds(self, sent: Sent) -> bool:
        """Whether the request counts in the current window."""
        return sent.epoch == self.epoch and sent.at in self._times

    def discard(self, sent: Sent) -> None:
        """Remove a request, if it counts."""
        if self.holds(sent):
            self._times.remove(sent.at)

    def move(self, sent: Sent, now: float) -> None:
        """Note that a request that counts was sent only now."""
        self._times.remove(sent.at)
        insort(self._times, now)

    def move_counted(self, at: float, now: float) -> None:
        """The same for one of which only the time is known; quick, as it is among the last."""
        place = bisect_left(self._times, at)
        if place < len(self._times) and self._times[place] == at:
            del self._times[place]
            insort(self._times, now)

    def begin_window(self, first: Sent | None = None) -> None:
        """A new window begins, perhaps with a request that was sent already."""
        self.epoch += 1
        self._previous, self._times = self._times, []
        if first:
            first.epoch = self.epoch
            self._times.append(first.at)

    def forget_old(self, now: float) -> None:
        """Forget requests too old to say anything about an unknown limit."""
        self._times = [sent for sent in self._times if sent >= now - MINUTE]

    def forget_many(self, now: float) -> None:
        """The same, once there are so many that it costs memory."""
        if len(self._times) > _KEPT and self._times[0] < now - MINUTE:
            self.forget_old(now)

    def previous_in_the_way(self, requests: int) -> float | None:
        """When that request of the window before was sent which must be a window old before another one is sent.

        Args:
            requests: How many any window may hold.

        Returns:
            The time, or None where there is room.
        """
        place = len(self._previous) + len(self._times) - requests
        return self._previous[place] if 0 <= place < len(self._previous) else None
