"""How many requests may be under way at once, while the service is out of capacity. Pure: it is given the time.

Additive increase, multiplicative decrease: a refusal for lack of capacity sets the number to what was admitted, and
each answer raises it a little, so that it follows the service up and down.
"""

from __future__ import annotations

from collections import deque
from math import inf

_DECREASE = 0.95
_FAILURE_DECREASE = 0.7
_INTERVAL = 0.05  # seconds in which several refusals are one
_RECENT, _MANY = 16, 4  # failures among the last requests, from which on they show a lack of capacity


class Capacity:
    """Requests under way, and how many there may be."""

    def __init__(self) -> None:
        self.most = inf
        """Requests at once; infinite until the service refuses one for lack of capacity."""
        self.under_way = 0
        self._decreased_at = -inf
        self._recent: deque[bool] = deque(maxlen=_RECENT)

    @property
    def is_free(self) -> bool:
        """Whether another request may begin. One always may."""
        return self.under_way < max(1.0, self.most)

    def begin(self) -> None:
        """Note that a request is sent."""
        self.under_way += 1

    def end(self, *, answered: bool) -> None:
        """A request has ended, with an answer or without."""
        self.under_way -= 1
        if answered:
            self._recent.append(False)
            self.most += 1 / self.most if self.most != inf else 0

    def refused(self, now: float) -> None:
        """The service refused a request for lack of capacity; call `end` first."""
        self.most = max(1.0, min(self.most, self.under_way))
        self._decrease(now, _DECREASE)

    def failed(self, now: float) -> None:
        """The service failed; one failure says nothing, many do. Call `end` first."""
        self._recent.append(True)
        if self._recent.count(True) >= _MANY:
            self.most = max(1.0, min(self.most, self.under_way + 1))
            self._decrease(now, _FAILURE_DECREASE)

    def _decrease(self, now: float, factor: float) -> None:
        if now - self._decreased_at >= _INTERVAL:
            self._decreased_at = now
            self.most = max(1.0, self.most * factor)
