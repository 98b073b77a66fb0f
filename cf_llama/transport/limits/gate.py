"""Lets the calls of one account and model through in the order of asking, as its limits allow.

One gate serves all threads and event loops of a process: the first call in the line waits for its time, the others for
their turn. Whoever leaves the line (answered, cancelled, timed out) wakes the next at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from math import inf
from threading import Lock
from time import monotonic

from cf_llama.protocol.errors import (
    CapacityError,
    QuotaExceededError,
    RateLimitError,
    ServiceError,
    WorkersAIError,
)
from cf_llama.transport.limits.capacity import Capacity
from cf_llama.transport.limits.errors import no_place_error
from cf_llama.transport.limits.line import Line
from cf_llama.transport.limits.pacer import Pacer, Sent
from cf_llama.transport.limits.place import Place
from cf_llama.transport.limits.quota import DailyQuota
from cf_llama.transport.limits.snapshot import Limits, snapshot

_log = logging.getLogger("cf_llama.limits")

LONGEST_WAIT = 120.0
"""Seconds after which a call gives up, if no other call was let through meanwhile."""
_DEPUTY_DELAY = 2.0
"""Seconds after which another call in the line does what the first should have done: its event loop may be blocked."""
_PROMPT = 0.02  # seconds in which a request is written whose connection and client are there already
_FEW = 5  # calls at once that need no watching while no limit is known


class Gate:
    """The line of one account and model.

    Args:
        pacer: What decides when the next request may be sent.
        is_quiet: Whether no limit is known, so that calls are only counted until one shows.
        quota: The account's daily free allocation.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        pacer: Pacer,
        *,
        is_quiet: bool = False,
        quota: DailyQuota | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._quota = quota or DailyQuota()
        self._lock = Lock()
        self._clock = clock
        self._rate = pacer
        self._capacity = Capacity()
        self._line = Line()
        self._moved_at = -inf  # when the service began to answer a call that was let through
        self._timed: Place | None = None  # the first in the line, which waits
        self._due = inf  # until then
        self._is_pacing = False
        self._is_quiet = is_quiet

    def limits(self) -> Limits:
        """What is known now."""
        with self._lock:
            waiting, until = len(self._line), self._quota.until
            return snapshot(self._rate, self._capacity, self._clock(), waiting=waiting, quota_until=until)

    def delay(self, place: Place, *, has_waited: bool) -> float:
        """Seconds to wait before asking again; 0 where the call is let through.

        Args:
            place: The call.
            has_waited: Whether the call has waited since it asked last, so that answers could be read meanwhile.

        Raises:
            RateLimitError: the call has waited for as long as it may.
            RequestTimeoutError: the time for the whole call is over.
        """
        if self._quota.is_used_up:
            raise self._quota.error()
        with self._lock:
            now = self._clock()
            if self._is_quiet and self._capacity.under_way < _FEW and place.sent is None and not self._line:
                self._capacity.under_way += 1
                self._rate.count(now)
                place.counted_at = now
                return 0.0
            if place.sent is not None:  # another call has let it through
                return 0.0
            if has_waited:
                self._rate.look(now)
            if not self._line and self._is_ready(now):
                self._let_through(place, now)
                return 0.0
            self._line.join(place, now)
            self._rate.waiting = len(self._line)
            wakes = self._advance(now)
            if place.is_in_line:
                self._note_pacing()
            seconds = self._seconds(place, now) if place.is_in_line else 0.0
        _call(wakes)
        return seconds

    def leave(self, place: Place) -> None:
        """A call waits no longer, or was let through and has sent nothing."""
        with self._lock:
            now = self._clock()
            self._remove(place)
            if place.counted_at is not None:
                self._uncount(place)
            if place.sent is not None:
                self._rate.unsent(place.sent, now)
                self._capacity.end(answered=False)
                place.sent = None
            wakes = self._advance(now)
        _call(wakes)

    def written(self, place: Place) -> None:
        """The request was written to a socket: in a burst, some time after it was let through."""
        with self._lock:
            now = self._clock()
            if place.sent is not None:
                self._rate.written(place.sent, now)
            elif place.counted_at is not None and now - place.counted_at > _PROMPT:
                self._rate.recount(place.counted_at, now)
                place.counted_at = now

    def admitted(self, place: Place) -> None:
        """The service has begun to answer."""
        if place.is_answered or place.sent is None:
            return
        place.is_answered = True
        with self._lock:
            now = self._clock()
            self._rate.admitted(place.sent, now)
            self._moved_at = now
            wakes = self._advance(now) if self._line else ()
        _call(wakes)

    def end(self, place: Place, error: WorkersAIError | None, *, answered: bool) -> None:
        """A request has ended.

        Args:
            place: Whose.
            error: How it failed, if it did.
            answered: Whether the service has answered it, also with an error.
        """
        if isinstance(error, QuotaExceededError):
            self._quota.refused(error)
        with self._lock:
            now = self._clock()
            if place.counted_at is not None and not _shows_limit(error):
                self._uncount(place)
            else:
                self._end_sent(place, error, now, answered=answered)
            wakes = self._advance(now) if self._line else ()
        _call(wakes)

    def _uncount(self, place: Place) -> None:
        place.counted_at = None
        self._capacity.under_way -= 1

    def _end_sent(self, place: Place, error: WorkersAIError | None, now: float, *, answered: bool) -> None:
        if place.counted_at is not None:
            place.sent = self._rate.recall(place.counted_at, now)
            place.counted_at = None
        sent, place.sent = place.sent, None
        if sent is None:
            return
        self._is_quiet = self._is_quiet and not _shows_limit(error)
        self._capacity.end(answered=answered and error is None)
        place.others = self._capacity.under_way + len(self._line)
        self._learn(sent, error, now, is_answered=place.is_answered, answered=answered)
        place.is_answered = False

    def _learn(
        self, sent: Sent, error: WorkersAIError | None, now: float, *, is_answered: bool, answered: bool
    ) -> None:
        if type(error) is RateLimitError:
            self._rate.refused(sent, now, error.retry_after)
            self._note_pacing()
            return
        if not is_answered:
            (self._rate.admitted if answered else self._rate.forgotten)(sent, now)
        if isinstance(error, CapacityError):
            self._capacity.refused(now)
        elif isinstance(error, ServiceError):
            self._capacity.failed(now)

    def _note_pacing(self) -> None:
        if not self._is_pacing and self._rate.is_closed:
            self._is_pacing = True
            _log.debug("the rate limit is reached: %d requests in this window, calls wait", self._rate.used)

    def _ready_at(self, now: float) -> float:
        return self._rate.ready_at(now) if self._capacity.is_free else inf

    def _is_ready(self, now: float) -> bool:
        return self._capacity.is_free and self._rate.ready_at(now) <= now

    def _let_through(self, place: Place, now: float) -> None:
        place.sent = self._rate.begin(now, is_written=not place.is_written_reported)
        place.is_answered = False
        self._capacity.begin()
        if place.number is not None:
            place.waited += now - place.asked_at

    def _advance(self, now: float) -> list[Callable[[], object]]:
        """Let calls through that may go; return what wakes them, and what wakes the new first."""
        wakes: list[Callable[[], object]] = []
        while self._line and self._is_ready(now):
            first = self._line.take_first()
            self._rate.waiting = len(self._line)
            self._let_through(first, now)
            wakes.append(first.wake)
        if self._line:
            first = self._line.first
            if first is not self._timed or self._ready_at(now) < self._due:
                wakes.append(first.wake)
        elif self._is_pacing and not self._rate.is_closed:
            self._is_pacing = False
            _log.debug("no call waits for the rate limit any more")
        return wakes

    def _remove(self, place: Place) -> None:
        self._line.leave(place)
        self._rate.waiting = len(self._line)

    def _seconds(self, place: Place, now: float) -> float:
        """Seconds until the turn of a call in the line."""
        if self._rate.failure:
            self._remove(place)
            raise self._rate.failure
        if place.longest_wait is None:
            end = max(place.first_asked_at, self._moved_at) + LONGEST_WAIT
        else:
            end = place.asked_at + place.longest_wait - place.waited
        if now >= min(end, place.deadline):
            self._remove(place)
            raise no_place_error(place, self._line, self._rate, now)
        if self._line.first is place:
            ready = self._ready_at(now)
            self._timed, self._due = place, ready
            return min(ready, end, place.deadline) - now
        return min(end, place.deadline, max(now, self._ready_at(now)) + _DEPUTY_DELAY) - now


def _shows_limit(error: WorkersAIError | None) -> bool:
    return isinstance(error, RateLimitError | ServiceError) and not isinstance(error, QuotaExceededError)


def _call(wakes: Iterable[Callable[[], object]]) -> None:
    for wake in wakes:
        wake()
