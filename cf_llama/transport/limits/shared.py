"""When requests may be sent under a limit that several processes share: each takes its places from a store."""

from __future__ import annotations

from math import inf

from cf_llama.config.rate_limit import RateLimit, RateLimitStore
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.limits.pacer import Counting, Sent

_AT_ONCE, _UNHEARD = 8, 0.25  # requests sent so many seconds ago that have not been answered: a burst stays even
_UNUSED = 1.0  # seconds after which an unused place is given up
_FIRST_PAUSE = 0.25  # seconds after a refusal all the same: others use the account too
_LONGEST_PAUSE = 0.25  # share of the window
_FAILED = 1.0  # seconds before a store that failed is asked again


class SharedPacer:
    """Decides when the next request may be sent; see `RatePacer`, whose place it takes.

    The store counts any window, which keeps within fixed windows and a bucket too.

    Args:
        limit: The limit that all processes keep together.
        key: What it is the limit of: an account and a model.
        store: Where places are taken.
    """

    counting = Counting.SLIDING

    def __init__(self, limit: RateLimit, key: str, store: RateLimitStore) -> None:
        self._limit, self._key, self._store = limit, key, store
        self.requests, self.window = limit.requests, limit.seconds
        self.waiting = 0
        self.failure: WorkersAIError | None = None
        """Why the store gives no places."""
        self.is_closed = False
        """Whether the limit was reached when a place was asked for last."""
        self._ask_at = -inf
        self._place_until = -inf  # when the place that was taken and not used is given up
        self._sends: list[float] = []
        self._unheard: dict[Sent, float] = {}
        self._pause, self._refused_at = _FIRST_PAUSE, -inf

    @property
    def used(self) -> int:
        """Requests that this process has sent in one window."""
        return len(self._sends)

    def expected_at(self, now: float) -> float:
        """When the next request can be sent at the earliest; takes no place."""
        return max(now, self._ask_at)

    def ready_at(self, now: float) -> float:
        """When the next request may be sent, or a place is to be asked for again."""
        while self._unheard and now - next(iter(self._unheard.values())) >= _UNHEARD:
            del self._unheard[next(iter(self._unheard))]
        if len(self._unheard) >= _AT_ONCE:
            return next(iter(self._unheard.values())) + _UNHEARD
        if now < self._ask_at:
            return self._ask_at
        if now > self._place_until:
            self._take(now)
        return max(now, self._ask_at)

    def _take(self, now: float) -> None:
        try:
            seconds = self._store.acquire(self._key, self._limit)
        except WorkersAIError as failure:
            self.failure, self._ask_at = failure, now + _FAILED
            return
        self.failure, self.is_closed = None, seconds > 0
        if seconds:
            self._ask_at = now + seconds
        else:
            self._place_until = now + _UNUSED

    def count(self, now: float) -> None:
        """Unused: a limit is known."""

    def recount(self, at: float, now: float) -> None:
        """Unused: a limit is known."""

    def recall(self, at: float, now: float) -> Sent:
        """Unused: a limit is known."""
        raise NotImplementedError

    def look(self, now: float) -> None:
        """Nothing is learned from the time that passes."""

    def begin(self, now: float, *, is_written: bool = True) -> Sent:  # noqa: ARG002 - as in `RatePacer`
        """Use the place."""
        self._place_until = -inf
        self._sends = [at for at in self._sends if at > now - self.window]
        self._sends.append(now)
        sent = Sent(now, 0)
        self._unheard[sent] = now
        return sent

    def written(self, sent: Sent, now: float) -> None:
        """Its place was taken when it was let through."""

    def admitted(self, sent: Sent, now: float) -> None:
        """The service has begun to answer a request."""
        self.forgotten(sent, now)
        if sent.at > self._refused_at:
            self._pause = _FIRST_PAUSE

    def forgotten(self, sent: Sent, now: float) -> None:  # noqa: ARG002 - as in `RatePacer`
        """A request will have no answer."""
        self._unheard.pop(sent, None)

    def unsent(self, sent: Sent, now: float) -> None:
        """Note that a request counted as sent was not sent: the next takes its place."""
        self.forgotten(sent, now)
        if sent.at in self._sends:
            self._sends.remove(sent.at)
        self._place_until = sent.at + _UNUSED

    def refused(self, sent: Sent, now: float, retry_after: float | None = None) -> None:
        """The service refused a request all the same: others use the account, or the limit is lower."""
        self.forgotten(sent, now)
        if sent.at > self._refused_at:
            self._refused_at = now
            self._ask_at = max(self._ask_at, now + self._pause)
            self._pause = max(_FIRST_PAUSE, min(2 * self._pause, _LONGEST_PAUSE * self.window))
        if retry_after is not None:
            self._ask_at = max(self._ask_at, now + retry_after)
