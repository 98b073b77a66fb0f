"""The calls that wait for a place, in the order in which they first asked."""

from __future__ import annotations

import heapq
from itertools import count

from cf_llama.transport.limits.place import Place


class Line:
    """A call that the service refused returns to its old place."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, Place]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def first(self) -> Place:
        """The call whose turn is next."""
        return self._heap[0][1]

    def join(self, place: Place, now: float) -> None:
        """Add a call that does not wait yet."""
        if place.number is None:
            place.number, place.first_asked_at = next(self._numbers), now
        if not place.is_in_line:
            place.is_in_line, place.asked_at = True, now
            heapq.heappush(self._heap, (place.number, place))

    def take_first(self) -> Place:
        """Remove and return the first call."""
        _, first = heapq.heappop(self._heap)
        first.is_in_line = False
        return first

    def leave(self, place: Place) -> None:
        """Remove a call, if it waits."""
        if place.is_in_line:
            place.is_in_line = False
            self._heap = [entry for entry in self._heap if entry[1] is not place]
            heapq.heapify(self._heap)

    def ahead_of(self, place: Place) -> int:
        """How many calls are let through before this one."""
        return sum(number < (place.number or 0) for number, _ in self._heap)
