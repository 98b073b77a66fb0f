"""When requests under a rate limit may be sent, whichever way the service counts them. Pure: it is given the time.

Whether the service counts fixed windows, any window, or refills a bucket is not documented. Each predicts other times
at which a request is admitted again after a burst, so single requests (probes) at those times tell which it is. Until
a limit shows, few requests are on trial at a time, so that a refusal is known before many have followed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from enum import Enum
from math import inf

from cf_llama.config.rate_limit import MINUTE, RateLimit
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.limits.bucket import Bucket
from cf_llama.transport.limits.probes import interval, next_probe
from cf_llama.transport.limits.trial import LONGEST_REFUSAL_TIME, Trial
from cf_llama.transport.limits.window import MARGIN, Window

_SHORTEST_PROBE_INTERVAL = 0.25  # seconds between probes after a window that should be over
_KNOWN_PROBE_INTERVAL = 0.95  # seconds between probes where the limit is known, and only the way of counting is not
_PROBE_SHARE = 0.018  # and such a share of all requests may be refused probes
_LONGEST_MARGIN = 0.15
_REFUSED_PROBES = 2  # after which a bucket would have held a token
_MANY = 2000  # requests counted before old ones are forgotten
_MORE, _ENOUGH = 1.3, 4  # requests admitted beyond what a bucket would hold show that it is none
_CHANGED = 0.05  # of a limit, more than which shows that a burst fell into two windows, or that the limit is another
_WHOLE = 0.6  # share of the limit that, admitted at once after a pause, shows a window rather than a bucket


class Counting(Enum):
    """How the service counts, as far as it has shown."""

    UNKNOWN = "unknown"
    SLIDING = "sliding"
    """Any window, or windows that begin with the first request: a burst is admitted again one window after itself."""
    FIXED = "fixed"
    BUCKET = "bucket"


class Sent:
    """One request on its way."""

    __slots__ = ("at", "epoch")

    def __init__(self, at: float, epoch: int) -> None:
        self.at = at
        """When it was sent, in seconds of the pacer's clock."""
        self.epoch = epoch


class RatePacer:
    """Decides when the next request may be sent.

    Args:
        limit: The limit, if you know it; it is never exceeded. None learns it from refusals.
        documented: Requests a minute that the service is documented to admit; beyond them it is approached slowly.
        offset: Seconds to add to the pacer's clock to get seconds since 1970, in which fixed windows may be aligned.
    """

    def __init__(self, limit: RateLimit | None = None, documented: int | None = None, offset: float = 0.0) -> None:
        self._limit = limit
        self._window = Window(limit.seconds if limit else None, offset)
        self.requests: int | None = limit.requests if limit else None
        """Requests in a window: told, or learned."""
        self.counting = Counting.UNKNOWN
        self.waiting = 0
        """Calls that wait, as the gate counts them: many allow more probes."""
        self._trial = Trial(documented)
        self._bucket: Bucket | None = None
        self._epoch = 0
        self._sends: list[float] = []  # of this window, refused ones left out
        self._previous: list[float] = []
        self._closed_at: float | None = None
        self._unheard: set[Sent] = set()  # of a tentative window
        self._tentative = False  # a probe was admitted, and whether a whole window follows it is not yet known
        self._full = False  # a request beyond the limit was refused in this window
        self._margin = 0.055  # seconds by which requests overtake each other
        self._probe: Sent | None = None
        self._probe_at = inf
        self._probes = 0  # refused since the limit was reached
        self._refused = 0  # in all
        self._sent = 0
        self._limited_at: float | None = None  # when the limit showed for the first time

    @property
    def window(self) -> float | None:
        """Seconds of the window: told, or learned."""
        return self._window.seconds

    @property
    def used(self) -> int:
        """Requests admitted, or on their way, in the current window."""
        return len(self._sends)

    @property
    def is_closed(self) -> bool:
        """Whether the limit is known to be reached."""
        return self._closed_at is not None or (self._bucket is not None and self._bucket.is_empty)

    failure: WorkersAIError | None = None
    """Nothing can fail here."""

    def expected_at(self, now: float) -> float:
        """When the next request can be sent at the earliest."""
        return self.ready_at(now)

    def ready_at(self, now: float) -> float:
        """When the next request may be sent, or at the latest `look` is to be called."""
        if self._bucket:
            return self._bucket.ready_at(now)
        if self._window_is_over(now):
            self._begin_next(now)
        if self._closed_at is not None:
            if self._probe:  # nothing is sent before `look`
                return max(now + MARGIN, self._probe.at + self._trial.refusal_time)
            return max(now, self._probe_at)
        if self._is_used_up():
            if self._tentative:
                self._confirm()
            self._close(now)
            return self.ready_at(now)
        return max(self._trial_ready_at(now), self._sliding_ready_at(now))

    def count(self, now: float) -> None:
        """Count a request as sent while no limit is in sight; `recall` it if the service refuses it all the same."""
        self._sends.append(now)
        if len(self._sends) > _MANY and self._sends[0] < now - MINUTE:
            self._forget_old(now)

    def recount(self, at: float, now: float) -> None:
        """A request that was only counted leaves only now."""
        place = bisect_left(self._sends, at)
        if place < len(self._sends) and self._sends[place] == at:
            del self._sends[place]
            insort(self._sends, now)

    def recall(self, at: float, now: float) -> Sent:
        """A request that was only counted."""
        self._forget_old(now)
        self._window.opened = self._sends[0] if self._sends else at
        return Sent(at, self._epoch)

    def _forget_old(self, now: float) -> None:
        self._sends = [sent for sent in self._sends if sent >= now - MINUTE]

    def look(self, now: float) -> None:
        """All answers that have arrived by now have been read."""
        self._trial.age(now)
        if self._probe and now >= self._probe.at + self._trial.refusal_time:
            self._reopen(self._probe)

    def begin(self, now: float, *, is_written: bool = True) -> Sent:
        """Count a request as sent.

        Args:
            now: The time.
            is_written: Whether it leaves at once, as far as will be known; otherwise call `written` when it does.
        """
        sent = Sent(now, self._epoch)
        self._sent += 1
        if self._bucket:
            self._bucket.take(now)
            return sent
        if not self._sends and self._closed_at is None and self.counting is not Counting.FIXED:
            self._window.opened = now
        if self._closed_at is not None:
            self._probe = sent
        else:
            self._sends.append(now)
            if self.requests is None and len(self._sends) > _MANY and self._sends[0] < now - MINUTE:
                self._forget_old(now)
        self._trial.add(sent, now, is_written=is_written)
        if self._tentative:
            self._unheard.add(sent)
        return sent

    def written(self, sent: Sent, now: float) -> None:
        """The request leaves only now, after others that were let through with it."""
        if sent.epoch == self._epoch and sent is not self._probe and sent.at in self._sends:
            self._sends.remove(sent.at)
            insort(self._sends, now)
            if self._window.opened == sent.at and self.counting is not Counting.FIXED:
                self._window.opened = self._sends[0]
        sent.at = now
        self._trial.written(sent, now)

    def admitted(self, sent: Sent, now: float) -> None:
        """The service has begun to answer a request, so it has counted it."""
        self._trial.heard(sent, now)
        self._unheard.discard(sent)
        if self._bucket:
            self._bucket.admitted()
        elif sent is self._probe:
            self._reopen(sent)
        if self._tentative and self._proves_a_window(now):
            self._confirm()

    def forgotten(self, sent: Sent, now: float) -> None:
        """Nothing will be heard of a request: it was cancelled, or the connection failed."""
        self._trial.forgotten(sent)
        self._unheard.discard(sent)
        if sent is self._probe:
            self._probe, self._probe_at = None, now

    def unsent(self, sent: Sent, now: float) -> None:
        """A request was counted as sent, and was not: its place is free."""
        self._sent -= 1
        if self._bucket:
            self._bucket.give_back()
        elif sent.epoch == self._epoch and sent.at in self._sends:
            self._sends.remove(sent.at)
        self.forgotten(sent, now)

    def refused(self, sent: Sent, now: float, retry_after: float | None = None) -> None:
        """The service has refused a request because of the limit.

        Args:
            sent: The request.
            now: The time.
            retry_after: Seconds after which the service wants to be asked again.
        """
        self._trial.refused(sent, now - sent.at)
        self._refused += 1
        self._unheard.discard(sent)
        if self._bucket:
            if self._bucket.refused(sent.at, now, retry_after):
                self._bucket, self.counting = None, Counting.UNKNOWN
                self._confirm()  # what was admitted before was a whole window, smaller than thought
                self.requests = max(1, len(self._sends))
                self._close(now)
            return
        if sent is self._probe:
            self._probe, self._window.refused_at = None, sent.at
            self._probes += 1
            self._schedule(now)
        elif sent.epoch == self._epoch:
            if sent.at in self._sends:
                self._sends.remove(sent.at)
            self._reached(sent, now)
        if retry_after is not None and self._closed_at is not None:
            self._probe_at = now + max(retry_after, _SHORTEST_PROBE_INTERVAL)  # zero would be a loop without a pause

    def _reached(self, sent: Sent, now: float) -> None:
        """Learn from the first refusals of a window."""
        admitted = len(self._sends)
        if self._closed_at is not None:
            self.requests = min(self.requests or admitted, max(admitted, 1))
        elif self._is_less_than_whole and not self._is_no_bucket:
            self._trickle(sent)
        elif self._is_less_than_whole and self._margin < _LONGEST_MARGIN:
            self._margin = min(_LONGEST_MARGIN, self._margin * 1.5)
        else:
            keeps = self._tentative and self._limit is not None  # the window may have begun before the probe
            if self._tentative:
                self._confirm()
            elif self.counting is Counting.SLIDING:
                self._margin = min(_LONGEST_MARGIN, self._margin * 1.5)
            self._full = True
            if not keeps:
                known, self.requests = self.requests, max(admitted, (self.requests or 0) // 2, 1)  # may be an exception
                if known and abs(known - self.requests) > _CHANGED * known:
                    self._window.doubt()
            self._close(now)

    @property
    def _is_less_than_whole(self) -> bool:
        """Whether a probe was admitted, and after it much less than a window holds."""
        return self._tentative and self.requests is not None and len(self._sends) < _WHOLE * self.requests

    @property
    def _is_no_bucket(self) -> bool:
        """Whether a bucket would have admitted one of the probes before."""
        return self._limit is None and self._probes >= _REFUSED_PROBES and not self._window.is_early

    def _trickle(self, sent: Sent) -> None:
        """A probe was admitted, and not many after it: a bucket, or a sliding window after a burst that took long."""
        if self._window.seconds and self._limit:
            rate = self._limit.requests / self._window.seconds
        else:
            rate = len(self._sends) / max(sent.at - self._drained_at, 0.001)
        self.counting = Counting.BUCKET
        self._tentative, self._closed_at = False, None
        capacity = float(self.requests or 1)
        self._bucket = Bucket(rate, capacity, sent.at, is_told=self._limit is not None)

    def _close(self, now: float) -> None:
        if self._window.opened == -inf and self._sends:
            self._window.opened = self._sends[0]
        self._closed_at = self._drained_at = now
        if self._limited_at is None:
            self._limited_at = now
        self._burst_at = self._window.opened
        self._tentative, self._probes = False, 0
        self._window.refused_at = now
        self._schedule(now)

    def _reopen(self, sent: Sent) -> None:
        """A probe was admitted: a new window has begun, or a bucket holds a little again."""
        self._window.admitted_again(sent.at)
        if self._closed_at is not None:
            self._drained_at = self._closed_at
        self._begin(sent.at, self._sends)
        self._sends, self._window.opened = [sent.at], sent.at
        sent.epoch = self._epoch
        self._tentative = self.counting is Counting.UNKNOWN or self._limit is None

    def _begin_next(self, now: float) -> None:
        """A window that is known begins after the last one, however long nothing was sent."""
        opened = self._window.opened
        if self.counting is Counting.UNKNOWN and self._probes:
            self.counting = Counting.SLIDING  # no request was admitted before
        self._begin(now, self._sends)
        if self.counting is Counting.FIXED:
            self._window.opened = opened
            self._window.move_on(now)

    def _begin(self, now: float, previous: list[float]) -> None:
        self._epoch += 1
        self._unheard.clear()
        self._previous = previous
        self._sends = []
        self._window.opened = now
        self._closed_at, self._probe, self._probe_at = None, None, inf
        self._full, self._tentative = False, False

    def _confirm(self) -> None:
        self._tentative = False
        if self._window.is_early:
            self.counting = Counting.FIXED
        elif self.counting is Counting.UNKNOWN:
            self.counting = Counting.SLIDING

    def _proves_a_window(self, now: float) -> bool:
        """Whether more has been admitted since the probe than a bucket could hold."""
        young = sum(sent.at > now - LONGEST_REFUSAL_TIME for sent in self._unheard)
        heard, refilled = len(self._sends) - young, self._refilled(now)
        return heard >= (_WHOLE * (self.requests or 1) if refilled is None else _MORE * refilled + _ENOUGH)

    def _refilled(self, now: float) -> float | None:
        """What a bucket would hold since the limit was reached; None where its rate is not known."""
        if self._limit is None or not self._window.seconds:
            return None
        return self._limit.requests / self._window.seconds * (now - self._burst_at)

    def _window_is_over(self, now: float) -> bool:
        if not self._sends or self._probe:
            return False
        if self._limit is None:  # when a learned window ends is found out by a probe, unless nothing was sent for one
            is_open = self._closed_at is None and self.requests is not None
            return is_open and now >= self._sends[-1] + (self._window.seconds or MINUTE) + MARGIN
        return not self._tentative and now >= self._window.opened + self._limit.seconds + MARGIN

    def _is_used_up(self) -> bool:
        if self.requests is None or len(self._sends) < self.requests:
            return False
        may_grow = self._limit is None or self.requests < self._limit.requests
        return self._full or not may_grow

    def _trial_ready_at(self, now: float) -> float:
        if self.requests is None:
            return self._trial.ready_at(now)
        if len(self._sends) >= self.requests:  # beyond the limit that was learned: it may have been raised
            return self._trial.ready_at(now, most=max(1, (len(self._sends) - self.requests) // 2))
        if self._tentative:
            most = max(1, len(self._sends) - len(self._trial))
            refilled = self._refilled(now)
            if refilled is not None and len(self._sends) >= refilled:  # a bucket would be empty now
                most = 1 if len(self._sends) > _MORE * refilled + _ENOUGH else 2
            return self._trial.ready_at(now, most=most)
        return now

    def _sliding_ready_at(self, now: float) -> float:
        """One window after the request that takes up the room which this one needs."""
        if (
            self.requests is None
            or not self._window.seconds
            or self.counting is Counting.FIXED
            or self._window.is_early
        ):
            return now
        place = len(self._previous) + len(self._sends) - self.requests
        if 0 <= place < len(self._previous):
            return max(now, self._previous[place] + self._window.seconds + self._margin)
        return now

    def _schedule(self, now: float) -> None:
        """Set the time of the next probe: the first at which some way of counting admits a request."""
        self._probe_at = min(time for time in self._probe_times(now) if time > now)

    def _probe_times(self, now: float) -> Iterator[float]:
        closed = now if self._closed_at is None else self._closed_at
        window = self._window
        if window.seconds and self.counting in {Counting.FIXED, Counting.SLIDING}:
            yield from window.beginnings(now)
            late = now - window.latest_beginning
            if late < 0:
                return
            yield now + max(_SHORTEST_PROBE_INTERVAL, late)
        elif self._limit and window.seconds and self.requests:
            yield window.opened + window.seconds + MARGIN
            yield closed + 1.5 * window.seconds / self.requests + MARGIN
            yield window.next_multiple(now, window.seconds)
            budget = max(1.0, _PROBE_SHARE * (self._sent + self.waiting) - self._refused)
            yield now + max(_KNOWN_PROBE_INTERVAL, window.seconds / budget)
            return
        elif window.seconds and now < window.opened + window.seconds:
            yield window.opened + window.seconds
            return
        elapsed = now - (closed if self._limited_at is None else self._limited_at)
        longest = interval(elapsed, self._sent + self.waiting, self._refused)
        yield next_probe(now, longest, window.likely_beginnings(), window.aligned_beginnings(now))
