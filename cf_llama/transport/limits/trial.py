"""Requests that have no answer yet, and how many there may be while a limit is not known. Pure."""

from __future__ import annotations

from typing import Any

LONGEST_REFUSAL_TIME = 0.5
_SHORTEST, _CAREFUL, _QUICK = 0.03, 0.1, 0.15
"""Seconds after which a request without a refusal counts as admitted: refusals come at once, or as the last did."""
_TICK = 0.001
_FEWEST = 3
_PER_HEARD = 0.06
_PER_AGED, _PER_AGED_UNDOCUMENTED = 0.5, 0.1
_NEAR = 0.9
_IDLE = 60.0  # seconds after which what was admitted says nothing any more


class Trial:
    """Requests on trial.

    Args:
        documented: Requests a minute that the service is documented to admit, or None.
    """

    def __init__(self, documented: int | None) -> None:
        self._documented = documented
        self._per_aged = _PER_AGED if documented else _PER_AGED_UNDOCUMENTED
        self._sent: dict[Any, float] = {}  # in the order of sending
        self._heard = self._aged = 0
        self._begun = 0.0
        self._refusal_time: float | None = None
        self._fastest = LONGEST_REFUSAL_TIME

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, request: Any, now: float, *, is_written: bool = True) -> None:
        """Put a request on trial; one that is not written yet has longer, or until `written` is called."""
        if now - self._begun > _IDLE:
            self._heard = self._aged = 0
            self._begun = now
        self._sent[request] = now if is_written else now + LONGEST_REFUSAL_TIME

    def written(self, request: Any, now: float) -> None:
        """Note that it was written only now."""
        if request in self._sent:
            self._sent[request] = now

    def resolved(self, request: Any, now: float) -> None:
        """Note that the service has begun to answer it."""
        sent = self._sent.pop(request, None)
        if sent is not None:
            self._heard += 1
            self._fastest = min(self._fastest, now - sent)

    def forgotten(self, request: Any) -> None:
        """Note that it will have no answer."""
        self._sent.pop(request, None)

    def refused(self, request: Any, seconds: float) -> None:
        """Note that the service has refused it, so many seconds after it was sent."""
        if self._sent.pop(request, None) is None:
            self._aged -= 1
        self._refusal_time = max(seconds, 0.9 * (self._refusal_time or 0.0))

    def _refusal_expected(self, near: bool) -> float:
        shortest = _CAREFUL if near else _SHORTEST
        if self._refusal_time is not None:
            return min(LONGEST_REFUSAL_TIME, max(shortest, 1.5 * self._refusal_time))
        answer = 1.5 * self._fastest
        return max(shortest, answer) if answer <= _QUICK else shortest  # slow answers say nothing of refusals

    @property
    def refusal_time(self) -> float:
        """Seconds after which a single request that was not refused counts as admitted."""
        return max(LONGEST_REFUSAL_TIME, self._refusal_expected(near=True))

    def ready_at(self, now: float, most: int | None = None) -> float:
        """When another may be put on trial.

        Args:
            now: The time.
            most: How many there may be at once. None: the more have been admitted, the more.
        """
        near = self._is_near
        refusal_time = self._refusal_expected(near)
        if most is None:
            per_aged = _PER_HEARD if near else self._per_aged
            most = _FEWEST + int(_PER_HEARD * self._heard + per_aged * self._aged)
        if len(self._sent) < most:
            return now
        return max(now + _TICK, next(iter(self._sent.values())) + refusal_time)  # not at once: answers are read first

    def age(self, now: float) -> None:
        """Take requests that were not refused in time as admitted.

        Call it only when answers that have arrived have been read: a busy program reads them late.
        """
        refusal_time = self._refusal_expected(self._is_near)
        while self._sent:
            request, sent = next(iter(self._sent.items()))
            if now - sent < refusal_time:
                break
            del self._sent[request]
            self._aged += 1

    @property
    def _is_near(self) -> bool:
        """Whether about as many have been admitted as the service is documented to admit."""
        return self._documented is not None and self._heard + self._aged >= _NEAR * self._documented
