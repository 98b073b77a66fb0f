"""When requests under a rate limit may be sent, however the service counts them. Pure: it is given the time.

Whether the service counts fixed windows, any window, or refills a bucket is not documented. Each predicts other times
at which a request is admitted again after a burst, so single requests (probes) at those times tell which it is::

             a request is refused, or a known limit is used up
      ┌──────────────────────────────────────────────────────┐
      │                                                      ▼
    Open ◀──────── a window of known length is over ────── Closed ◀─┐ a probe
      ▲                                                     │ ▲ └───┘ is refused
      │ more is admitted than            a probe is admitted│ │a refusal after many,
      │ a bucket can have                                   ▼ │or a known limit is used up
      └───────────────────────────────────────────────── Tentative
                                                            │ a refusal after few
                                                            ▼
                  Closed ◀──── only refusals in a row ─── Bucket

- Open: requests are sent. Until a limit shows, few are on trial at a time (`trial`), so that a refusal is known before
  many have followed.
- Closed: the limit is reached, and only probes are sent (`probes` says when). One that is not refused in time, see
  `look`, counts as admitted.
- Tentative: what follows the probe tells a window from a bucket. Once that is known, a probe leads to Open.
- Bucket: requests are sent as it refills (`bucket`).

`admitted` and `refused` say what an answer changes; the arrows are the methods at the end that set `_state`.
"""

from __future__ import annotations

from math import inf

from cf_llama.config.rate_limit import MINUTE, RateLimit
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.limits.bucket import Bucket
from cf_llama.transport.limits.pacer import Counting, Sent
from cf_llama.transport.limits.probes import SHORTEST_INTERVAL, ProbeSchedule
from cf_llama.transport.limits.sends import Sends
from cf_llama.transport.limits.states import Closed, Open, Tentative
from cf_llama.transport.limits.trial import Trial
from cf_llama.transport.limits.window import MARGIN, Window

_FIRST_OVERTAKING, _LONGEST_OVERTAKING, _OVERTAKING_GROWTH = 0.055, 0.15, 1.5
"""Seconds by which one request may overtake another, at first and at most; refusals show that it is more."""
_CHANGED = 0.05
"""Share of a limit; a greater change shows that a burst fell into two windows, or that the limit is another."""


class RatePacer:
    """Decides when the next request may be sent, by what was admitted and refused; see `Pacer`.

    Args:
        limit: The limit, if you know it; it is never exceeded. None learns it from refusals.
        documented: Requests a minute that the service is documented to admit; beyond them it is approached slowly.
        offset: Seconds to add to the pacer's clock to get seconds since 1970, in which fixed windows may be aligned.
    """

    failure: WorkersAIError | None = None
    """Nothing can fail here."""

    def __init__(self, limit: RateLimit | None = None, documented: int | None = None, offset: float = 0.0) -> None:
        self._limit = limit
        self.requests: int | None = limit.requests if limit else None
        """Requests in a window: configured, or learned."""
        self.counting = Counting.UNKNOWN
        self._state: Open | Closed | Tentative | Bucket = Open()
        self._window = Window(limit.seconds if limit else None, offset)
        self._sends = Sends()
        self._trial = Trial(documented)
        self._probes = ProbeSchedule()
        self._overtaking = _FIRST_OVERTAKING

    @property
    def waiting(self) -> int:
        """Calls that wait, as the gate counts them: many allow more probes."""
        return self._probes.waiting

    @waiting.setter
    def waiting(self, calls: int) -> None:
        self._probes.waiting = calls

    @property
    def window(self) -> float | None:
        """Seconds of the window: configured, or learned."""
        return self._window.seconds

    @property
    def used(self) -> int:
        """Requests admitted, or on their way, in the current window."""
        return len(self._sends)

    @property
    def is_closed(self) -> bool:
        """Whether the limit is known to be reached."""
        state = self._state
        return isinstance(state, Closed) or (isinstance(state, Bucket) and state.is_empty)

    # when

    def expected_at(self, now: float) -> float:
        """When the next request can be sent at the earliest."""
        return self.ready_at(now)

    def ready_at(self, now: float) -> float:
        """When the next request may be sent, or at the latest `look` is to be called."""
        if isinstance(self._state, Bucket):
            return self._state.ready_at(now)
        if self._is_window_over(now):
            self._begin_next_window(now)
        state = self._state
        if isinstance(state, Closed):
            if state.probe:  # nothing is sent before `look`
                return max(now + MARGIN, state.probe.at + self._trial.refusal_time)
            return max(now, state.probe_at)
        if self._is_used_up():
            if isinstance(state, Tentative):
                self._confirm_window()
            self._close(now)
            return self.ready_at(now)
        return max(self._trial_ready_at(now), self._sliding_ready_at(now))

    def _is_window_over(self, now: float) -> bool:
        state = self._state
        if not self._sends or (isinstance(state, Closed) and state.probe):
            return False
        if self._limit is None:  # when a learned window ends is found out by a probe, unless nothing was sent for one
            is_open = self.requests is not None and not isinstance(state, Closed)
            return is_open and now >= self._sends.last + (self._window.seconds or MINUTE) + MARGIN
        return not isinstance(state, Tentative) and now >= self._window.opened + self._limit.seconds + MARGIN

    def _is_used_up(self) -> bool:
        """Whether the limit leaves nothing. One that was learned may have been raised: requests beyond it show that."""
        if self.requests is None or len(self._sends) < self.requests:
            return False
        return not self._probes.is_affordable if self._limit is None else self.requests >= self._limit.requests

    def _trial_ready_at(self, now: float) -> float:
        count, state = len(self._sends), self._state
        if self.requests is None:
            return self._trial.ready_at(now)
        if count >= self.requests:  # beyond the limit that was learned: it may have been raised
            return self._trial.ready_at(now, most=max(1, (count - self.requests) // 2))
        if isinstance(state, Tentative):
            return self._trial.ready_at(now, most=state.most_on_trial(count, len(self._trial), now))
        return now

    def _sliding_ready_at(self, now: float) -> float:
        """One window after the request that takes up the room which this one needs."""
        if self.requests and self._window.seconds and self.counting is not Counting.FIXED and not self._window.is_early:
            oldest = self._sends.previous_in_the_way(self.requests)
            if oldest is not None:
                return max(now, oldest + self._window.seconds + self._overtaking)
        return now

    # what was sent

    def count(self, now: float) -> None:
        """Count a request as sent while no limit is in sight; `recall` it if the service refuses it all the same."""
        self._sends.add(now)
        self._sends.forget_many(now)

    def recount(self, at: float, now: float) -> None:
        """Note that a request that was only counted was written only now."""
        self._sends.move_counted(at, now)

    def recall(self, at: float, now: float) -> Sent:
        """Return the record of a request that was only counted."""
        self._sends.forget_old(now)
        self._window.opened = self._sends.first if self._sends else at
        return Sent(at, self._sends.epoch)

    def begin(self, now: float, *, is_written: bool = True) -> Sent:
        """Count a request as sent; see `Pacer`."""
        sent, state = Sent(now, self._sends.epoch), self._state
        self._probes.sent += 1
        if isinstance(state, Bucket):
            state.take(now)
            return sent
        if isinstance(state, Closed):
            state.probe = sent
        else:
            if not self._sends and self.counting is not Counting.FIXED:
                self._window.opened = now
            self._sends.add(now)
            if self.requests is None:
                self._sends.forget_many(now)
        self._trial.add(sent, now, is_written=is_written)
        if isinstance(state, Tentative):
            state.begin(sent)
        return sent

    def written(self, sent: Sent, now: float) -> None:
        """Note that the request was written to its socket only now, after others let through with it."""
        is_probe = isinstance(self._state, Closed) and sent is self._state.probe
        if self._sends.holds(sent) and not is_probe:
            self._sends.move(sent, now)
            if self._window.opened == sent.at and self.counting is not Counting.FIXED:
                self._window.opened = self._sends.first
        sent.at = now
        self._trial.written(sent, now)

    def unsent(self, sent: Sent, now: float) -> None:
        """Note that a request counted as sent was not sent: its place is free."""
        self._probes.sent -= 1
        if isinstance(self._state, Bucket):
            self._state.give_back()
        else:
            self._sends.discard(sent)
        self.forgotten(sent, now)

    # what the service answered

    def look(self, now: float) -> None:
        """Note that all answers that have arrived by now have been read."""
        self._trial.age(now)
        state = self._state
        if isinstance(state, Closed) and state.probe and now >= state.probe.at + self._trial.refusal_time:
            self._reopen(state, state.probe)

    def admitted(self, sent: Sent, now: float) -> None:
        """Note that the service has begun to answer a request, so it has counted it."""
        self._trial.resolved(sent, now)
        state = self._state
        if isinstance(state, Bucket):
            state.admitted()
        elif isinstance(state, Closed) and sent is state.probe:
            self._reopen(state, sent)
        if isinstance(self._state, Tentative):
            self._state.resolved(sent)
            if self._state.is_window(len(self._sends), self.requests or 1, now):
                self._confirm_window()

    def forgotten(self, sent: Sent, now: float) -> None:
        """Note that a request will have no answer: it was cancelled, or the connection failed."""
        self._trial.forgotten(sent)
        state = self._state
        if isinstance(state, Tentative):
            state.resolved(sent)
        elif isinstance(state, Closed) and sent is state.probe:
            state.probe, state.probe_at = None, now

    def refused(self, sent: Sent, now: float, retry_after: float | None = None) -> None:
        """Note that the service has refused a request because of the limit; see `Pacer`."""
        self._trial.refused(sent, now - sent.at)
        self._probes.refused += 1
        state = self._state
        if isinstance(state, Bucket):
            if state.refused(sent.at, now, retry_after):
                self._leave_bucket(now)
            return
        if isinstance(state, Closed) and sent is state.probe:
            state.probe, self._window.refused_at = None, sent.at
            state.refused_probes += 1
            state.refused_at = sent.at
            self._schedule_probe(state, now)
        elif sent.epoch == self._sends.epoch:
            self._sends.discard(sent)
            self._refused_in_window(sent, now)
        if retry_after is not None and isinstance(self._state, Closed):
            self._state.probe_at = now + max(retry_after, SHORTEST_INTERVAL)  # zero would be a loop without a pause

    def _refused_in_window(self, sent: Sent, now: float) -> None:
        """A request that counted in the current window was refused: the limit is what was admitted, or a bucket."""
        state, admitted = self._state, len(self._sends)
        if isinstance(state, Closed):  # it was in flight when the limit was reached
            self.requests = min(self.requests or admitted, max(admitted, 1))
            return
        if isinstance(state, Tentative):
            state.resolved(sent)
            before = self._sends.before(sent)  # those after it will be refused too
            if state.is_short_of_window(before, self.requests or 1):
                is_bucket = self._window.is_early or not state.excludes_bucket
                if not is_bucket and self._overtaking < _LONGEST_OVERTAKING:
                    self._allow_more_overtaking()
                    return
                if is_bucket or state.is_slow_bucket(before, self.requests or 1, sent.at):
                    self._follow_bucket(state, sent)
                    return
            self._confirm_window()
        elif self.counting is Counting.SLIDING:
            self._allow_more_overtaking()
        if self._limit is None or not isinstance(state, Tentative):  # else the window may have begun before the probe
            known, self.requests = self.requests, max(admitted, (self.requests or 0) // 2, 1)  # may be an exception
            if known and abs(known - self.requests) > _CHANGED * known:
                self._window.doubt()
            elif known and admitted > known and self.counting is Counting.SLIDING:  # the first were of the one before
                self._window.opened = self._sends.at(admitted - known)
        self._close(now)

    def _allow_more_overtaking(self) -> None:
        self._overtaking = min(_LONGEST_OVERTAKING, self._overtaking * _OVERTAKING_GROWTH)

    # the ways from one state to another

    def _close(self, now: float) -> None:
        """The limit is reached."""
        if self._window.opened == -inf and self._sends:
            self._window.opened = self._sends.first
        self._window.refused_at = now
        self._state = Closed(now, self._window.opened)
        self._schedule_probe(self._state, now)

    def _schedule_probe(self, closed: Closed, now: float) -> None:
        closed.probe_at = self._probes.next_at(now, closed, self._window, self.counting, self.requests or 1)

    def _begin_next_window(self, now: float) -> None:
        """A window that is known begins after the last one, however long nothing was sent."""
        state = self._state
        if self.counting is Counting.UNKNOWN and isinstance(state, Closed | Tentative) and state.refused_probes:
            self.counting = Counting.SLIDING  # no request was admitted before
        self._state = Open()
        self._sends.begin_window()
        if self.counting is Counting.FIXED:
            self._window.move_on(now)
        else:
            self._window.opened = now

    def _reopen(self, closed: Closed, probe: Sent) -> None:
        """A probe was admitted: a new window has begun, or a bucket has refilled a little."""
        self._window.admitted_again(probe.at)
        self._window.opened = probe.at
        self._sends.begin_window(probe)
        if self._limit is None:
            self._state = Tentative(closed, None)
        elif self.counting is Counting.UNKNOWN:
            self._state = Tentative(closed, self._limit.requests / self._limit.seconds)
        else:
            self._state = Open()

    def _confirm_window(self) -> None:
        """A whole window has followed the probe, so the service counts windows."""
        self._state = Open()
        if self._window.is_early:
            self.counting = Counting.FIXED
        elif self.counting is Counting.UNKNOWN:
            self.counting = Counting.SLIDING

    def _follow_bucket(self, tentative: Tentative, sent: Sent) -> None:
        """A bucket was found, or it is a sliding window after a burst that took long."""
        self.counting = Counting.BUCKET
        rate = tentative.bucket_rate(len(self._sends), sent.at)
        self._state = Bucket(rate, float(self.requests or 1), sent.at, is_configured=self._limit is not None)

    def _leave_bucket(self, now: float) -> None:
        """It was no bucket: what was admitted before was a whole window, smaller than thought."""
        self.counting = Counting.UNKNOWN
        self._confirm_window()
        self.requests = max(1, len(self._sends))
        self._close(now)
