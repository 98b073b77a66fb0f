"""The pace of a limit that refills steadily: a token bucket on the service's side, followed on ours. Pure."""

from __future__ import annotations

_OPTIMISM = 1.02  # faster than the rate that was measured, so that a refusal measures it anew
_PATIENCE, _GROWTH = 60, 1.01  # requests admitted in a row, after which the rate seems to have risen, with each more
_IMPATIENCE, _LEAP = 6, 1.1  # the same before any refusal has measured it: the first guess may be far too low
_STEEPEST = 100.0  # times the rate that was measured: a window taken for a bucket is found out
_CONFIGURED_SHARE = 0.995
_UNEVEN = 0.06  # seconds by which requests overtake each other
_FEW, _MANY = 8, 20  # requests that measure a rate roughly, and well
_REMEMBERED = 300  # requests over which it is measured
_DEAD, _STILLBORN = 6, 3  # refusals in a row, later and at first, after which this is no bucket


class Bucket:
    """Tokens that refill at a rate.

    Args:
        rate: Tokens a second.
        capacity: The most there can be.
        emptied_at: When there were none.
        is_configured: Whether rate and capacity are certain, so that no refusal is needed to measure them.
    """

    def __init__(self, rate: float, capacity: float, emptied_at: float, *, is_configured: bool) -> None:
        self.rate, self.capacity = rate, capacity
        self._at = emptied_at
        self._refused_at = self._learned_at = emptied_at
        self._was_full = False  # since the last refusal
        self._is_configured = is_configured
        self._admitted = 0
        self._dead, self._has_admitted = 0, False
        self._total = self._time = 0.0
        self._configured_rate = rate
        self._tokens = -self._reserve

    @property
    def is_empty(self) -> bool:
        """Whether the next request has to wait, as of the last look."""
        return self._tokens < 1

    def ready_at(self, now: float) -> float:
        """When there is a token."""
        self._refill(now)
        return now if self._tokens >= 1 else now + (1 - self._tokens) / self._pace

    def take(self, now: float) -> None:
        """Use a token."""
        self._refill(now)
        self._tokens -= 1

    def give_back(self) -> None:
        """A token was not used."""
        self._tokens += 1

    def admitted(self) -> None:
        """A request was admitted."""
        self._admitted += 1
        self._dead, self._has_admitted = 0, True
        if self._is_configured:
            self.rate = min(self._configured_rate, self.rate * 1.002)

    def refused(self, sent_at: float, now: float, retry_after: float | None) -> bool:
        """A request was refused, so the bucket was empty when it was sent; returns whether it is none after all."""
        if sent_at < self._learned_at:  # it was on its way when the last refusal became known
            return False
        self._learned_at = now
        self._dead += 1
        self._tokens, self._at = min(self._tokens, -self._reserve - (retry_after or 0) * self._pace), now
        elapsed = sent_at - self._refused_at
        if elapsed > 0:
            if not self._was_full:  # else it stood still for a part of the time
                self._measure(elapsed)
            self._refused_at, self._admitted, self._was_full = sent_at, 0, False
        return self._dead >= (_DEAD if self._has_admitted else _STILLBORN)

    @property
    def _reserve(self) -> float:
        """Tokens left on the service's side, as requests do not arrive as evenly as they are sent."""
        return 1 + self.rate * _UNEVEN

    def _measure(self, elapsed: float) -> None:
        """Learn from what was admitted between two refusals."""
        if self._is_configured or self._dead > 1:
            self.rate *= 0.97
            return
        measured = self._admitted / elapsed
        if self._admitted >= _MANY and abs(measured - self.rate) > 0.3 * self.rate:  # it was changed
            self._total, self._time = 0.0, 0.0
        weight = 1 - min(1.0, self._admitted / _REMEMBERED)
        self._total, self._time = self._total * weight + self._admitted, self._time * weight + elapsed
        if self._total >= _FEW:
            self.rate = self._total / self._time

    @property
    def _pace(self) -> float:
        if self._is_configured:
            return self.rate * _CONFIGURED_SHARE
        patience, growth = (_PATIENCE, _GROWTH) if self._total else (_IMPATIENCE, _LEAP)
        return self.rate * min(_STEEPEST, _OPTIMISM * growth ** max(0, self._admitted - patience))

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens += (now - self._at) * self._pace
            self._at = now
            if self._tokens >= self.capacity:
                self._tokens, self._was_full = self.capacity, True
