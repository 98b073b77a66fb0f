"""What `RatePacer` keeps while a limit is reached, and while a probe has been admitted. Pure: it is given the time."""

from __future__ import annotations

from math import inf

from cf_llama.transport.limits.pacer import Sent
from cf_llama.transport.limits.trial import LONGEST_REFUSAL_TIME

_BUCKET_PROBES = 2
"""Refused probes after which a bucket would have held a token."""
_WINDOW_SHARE = 0.6
"""The share of the limit that, admitted at once after a pause, shows a window rather than a bucket."""
_BUCKET_TIMES, _BUCKET_PLUS = 1.3, 4
"""More than so many times what a bucket can have refilled, and so many requests more, show that it is none."""

_LONGEST_FILLING = 70.0
"""Seconds in which an empty bucket is full at the latest, as limits are mostly of a minute."""


class Open:
    """No limit is reached, as far as is known."""


class Closed:
    """The limit is reached: nothing is sent but probes, one at a time.

    Args:
        now: When the limit was reached.
        burst_at: When the burst that reached it began.
    """

    def __init__(self, now: float, burst_at: float) -> None:
        self.at, self.burst_at = now, burst_at
        self.probe: Sent | None = None
        """The probe in flight."""
        self.probe_at = inf
        """When the next probe may be sent."""
        self.refused_probes = 0
        self.refused_at = now
        """When the last refused probe was sent, or the limit was reached."""


class Tentative:
    """A probe was admitted: a whole window has begun, or a bucket has refilled a little since the limit was reached.

    Args:
        closed: The state in which the probe was sent.
        configured_rate: Requests a second that a bucket would get; None if the limit is not configured.
    """

    def __init__(self, closed: Closed, configured_rate: float | None) -> None:
        self.refused_probes = closed.refused_probes
        """Before the one that was admitted."""
        self._closed_at, self._burst_at = closed.at, closed.burst_at
        self._shortest_refill = closed.refused_at - closed.at  # seconds in which a bucket has got no token
        self._configured_rate = configured_rate
        self._unheard: set[Sent] = set()  # requests sent after the probe, that have no answer yet

    def begin(self, sent: Sent) -> None:
        """Note that a request is sent."""
        self._unheard.add(sent)

    def resolved(self, sent: Sent) -> None:
        """Note that the service has answered the request, or never will."""
        self._unheard.discard(sent)

    def is_window(self, counted: int, requests: int, now: float) -> bool:
        """Whether more has been admitted since the probe than a bucket could hold.

        Args:
            counted: Requests sent from the probe on and not refused.
            requests: The limit.
            now: The time.
        """
        admitted = counted - sum(sent.at > now - LONGEST_REFUSAL_TIME for sent in self._unheard)
        refilled = self._refilled(now)
        return admitted >= (_WINDOW_SHARE * requests if refilled is None else _more_than_a_bucket(refilled))

    @staticmethod
    def is_short_of_window(counted: int, requests: int) -> bool:
        """Whether a refusal comes after much less than a window holds; see `is_window`."""
        return counted < _WINDOW_SHARE * requests

    @property
    def excludes_bucket(self) -> bool:
        """Whether a bucket would have admitted one of the probes before. A configured limit is judged by its rate."""
        return self._configured_rate is None and self.refused_probes >= _BUCKET_PROBES

    def is_slow_bucket(self, counted: int, requests: int, now: float) -> bool:
        """Whether a bucket that had no token for the probes before can have admitted as many since.

        Args:
            counted: Requests admitted from the probe on.
            requests: The limit, which the bucket would hold.
            now: When the first one after them was sent.
        """
        elapsed = now - self._closed_at
        is_usual = requests * elapsed <= _LONGEST_FILLING * max(1, counted)
        return self._configured_rate is None and is_usual and counted * self._shortest_refill <= elapsed

    def bucket_rate(self, counted: int, now: float) -> float:
        """Requests a second that a bucket gets: configured, or measured since the limit was reached.

        When the next one was refused, the bucket held a part of a token, on average a half.
        """
        return (
            (counted + 0.5) / max(now - self._closed_at, 0.001)
            if self._configured_rate is None
            else self._configured_rate
        )

    def most_on_trial(self, counted: int, on_trial: int, now: float) -> int:
        """How many requests may be on trial: few where a bucket would be empty, else the more, the more were admitted.

        Args:
            counted: Requests sent from the probe on and not refused.
            on_trial: Those that have no answer yet yet.
            now: The time.
        """
        refilled = self._refilled(now)
        if refilled is None or counted < refilled:
            return max(1, counted - on_trial)
        return 1 if counted > _more_than_a_bucket(refilled) else 2

    def _refilled(self, now: float) -> float | None:
        """What a bucket has got since the burst began; None where its rate is not known."""
        return None if self._configured_rate is None else self._configured_rate * (now - self._burst_at)


def _more_than_a_bucket(refilled: float) -> float:
    return _BUCKET_TIMES * refilled + _BUCKET_PLUS
