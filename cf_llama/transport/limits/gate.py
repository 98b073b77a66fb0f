"""Lets the calls of one account and model through in the order of asking, as its limits allow.

One gate serves all threads and event loops of a process: the first call in the line waits for its time, the others for
their turn. Whoever leaves the line (answered, cancelled, timed out) wakes the next at once.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from threading import Lock
from time import monotonic

from cf_llama.protocol.errors import (
    CapacityError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    WorkersAIError,
)
from cf_llama.transport.limits.capacity import Capacity
from cf_llama.transport.limits.pacer import Pacer, Sent
from cf_llama.transport.limits.place import Place
from cf_llama.transport.limits.quota import DailyQuota

_log = logging.getLogger("cf_llama.limits")

LONGEST_WAIT = 120.0
"""Seconds after which a call gives up, if no other call was let through meanwhile."""
_DEPUTY_DELAY = 2.0
"""Seconds after which another call in the line does what the first should have done: its event loop may be blocked."""
_PROMPT = 0.02  # seconds in which a request is written whose connection and client are there already
_FEW = 5  # calls at once that need no watching while no limit is known


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known of the limits of an account and model in this process. Plain data."""

    requests: int | None
    """Requests in a window: told, or learned from refusals; None while no refusal was seen."""
    window: float | None
    """Seconds of the window; None while it is not known."""
    counting: str
    """How the service counts, as far as it has shown: unknown, sliding, fixed or bucket."""
    used: int
    """Requests sent in the current window."""
    waiting: int
    """Calls that wait for a place."""
    next_place: float | None
    """Seconds until the next call is let through; None where that depends on an answer that is under way."""
    under_way: int
    """Requests that are being answered."""
    capacity: int | None
    """Requests at once that the service has capacity for; None while it refused none."""
    quota_until: float | None
    """Seconds since 1970 at which the account's daily free allocation begins anew; None while it is not used up."""


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
        self._line: list[tuple[int, Place]] = []
        self._numbers = count()
        self._moved_at = -inf  # when the service began to answer a call that was let through
        self._timed: Place | None = None  # the first in the line, which waits
        self._due = inf  # until then
        self._is_pacing = False
        self._is_quiet = is_quiet

    def limits(self) -> Limits:
        """What is known now."""
        with self._lock:
            now = self._clock()
            ready = self._rate.expected_at(now)
            capacity = self._capacity
            return Limits(
                requests=self._rate.requests,
                window=self._rate.window,
                counting=self._rate.counting.value,
                used=self._rate.used,
                waiting=len(self._line),
                next_place=None if ready == inf or not capacity.is_free else ready - now,
                under_way=capacity.under_way,
                capacity=None if capacity.most == inf else int(capacity.most),
                quota_until=self._quota.until,
            )

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
            if place.number is None:
                place.number, place.first_asked_at = next(self._numbers), now
            if not place.is_in_line:
                place.asked_at = now
                place.is_in_line = True
                heapq.heappush(self._line, (place.number, place))
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
                place.counted_at = None
                self._capacity.under_way -= 1
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
        if place.is_heard or place.sent is None:
            return
        place.is_heard = True
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
            answered: Whether the service has answered it, be it with an error.
        """
        if isinstance(error, QuotaExceededError):
            self._quota.refused(error)
        with self._lock:
            if place.counted_at is not None:
                if error is None or self._is_of_no_limit(error):
                    place.counted_at = None
                    self._capacity.under_way -= 1
                    wakes = self._advance(self._clock()) if self._line else ()
                    _call(wakes)
                    return
                place.sent = self._rate.recall(place.counted_at, self._clock())
                place.counted_at = None
            sent, place.sent = place.sent, None
            if sent is None:
                return
            self._is_quiet = self._is_quiet and (error is None or self._is_of_no_limit(error))
            now = self._clock()
            self._capacity.end(answered=answered and error is None)
            place.others = self._capacity.under_way + len(self._line)
            self._learn(sent, error, now, is_heard=place.is_heard, answered=answered)
            place.is_heard = False
            wakes = self._advance(now) if self._line else ()
        _call(wakes)

    @staticmethod
    def _is_of_no_limit(error: WorkersAIError) -> bool:
        return not isinstance(error, RateLimitError | ServiceError) or isinstance(error, QuotaExceededError)

    def _learn(self, sent: Sent, error: WorkersAIError | None, now: float, *, is_heard: bool, answered: bool) -> None:
        if type(error) is RateLimitError:
            self._rate.refused(sent, now, error.retry_after)
            self._note_pacing()
            return
        if not is_heard:
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
        place.sent = self._rate.begin(now, is_written=not place.is_written_told)
        place.is_heard = False
        self._capacity.begin()
        if place.number is not None:
            place.waited += now - place.asked_at

    def _advance(self, now: float) -> list[Callable[[], object]]:
        """Let through whoever may go; returns what wakes them, and the one who is first now."""
        wakes: list[Callable[[], object]] = []
        while self._line and self._is_ready(now):
            _, first = heapq.heappop(self._line)
            first.is_in_line = False
            self._rate.waiting = len(self._line)
            self._let_through(first, now)
            wakes.append(first.wake)
        if self._line:
            first = self._line[0][1]
            if first is not self._timed or self._ready_at(now) < self._due:
                wakes.append(first.wake)
        elif self._is_pacing and not self._rate.is_closed:
            self._is_pacing = False
            _log.debug("no call waits for the rate limit any more")
        return wakes

    def _remove(self, place: Place) -> None:
        if place.is_in_line:
            place.is_in_line = False
            self._line = [entry for entry in self._line if entry[1] is not place]
            heapq.heapify(self._line)
            self._rate.waiting = len(self._line)

    def _seconds(self, place: Place, now: float) -> float:
        """How long a call in the line waits for its turn."""
        if self._rate.failure:
            self._remove(place)
            raise self._rate.failure
        if place.longest_wait is None:
            end = max(place.first_asked_at, self._moved_at) + LONGEST_WAIT
        else:
            end = place.asked_at + place.longest_wait - place.waited
        if now >= min(end, place.deadline):
            self._remove(place)
            raise self._too_late(place, now, is_over=now >= place.deadline)
        if self._line[0][1] is place:
            ready = self._ready_at(now)
            self._timed, self._due = place, ready
            return min(ready, end, place.deadline) - now
        return min(end, place.deadline, max(now, self._ready_at(now)) + _DEPUTY_DELAY) - now

    def _too_late(self, place: Place, now: float, *, is_over: bool) -> WorkersAIError:
        waited = place.waited + now - place.asked_at
        ready = self._rate.expected_at(now)
        rate = self._rate
        limit = f" of {rate.requests:,} requests" if rate.requests else ""
        limit += f" in {rate.window:g} s" if limit and rate.window else ""
        ahead = sum(number < (place.number or 0) for number, _ in self._line)
        ask_again = None if ready == inf else max(0.0, ready - now) + _turns(ahead, rate)
        when = "" if ask_again is None else f"; ask again in {ask_again:.0f} s"
        text = f"no place under the rate limit{limit} after {waited:.1f} s; {len(self._line):,} calls wait{when}"
        if is_over:
            return RequestTimeoutError(f"the time for the whole call is over: {text}", is_retryable=False)
        advice = "raise" if place.longest_wait is not None else "set"
        return RateLimitError(f"{text}, or {advice} rate_limit_wait", retry_after=ask_again, is_retryable=True)


def _turns(ahead: int, rate: Pacer) -> float:
    """Seconds that the calls ahead in the line take, as far as the limit is known."""
    return ahead // rate.requests * rate.window if rate.requests and rate.window else 0.0


def _call(wakes: Iterator[Callable[[], object]] | list[Callable[[], object]] | tuple[()]) -> None:
    for wake in wakes:
        wake()
