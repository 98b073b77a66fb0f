"""The interface of a pacer: `RatePacer` for one process, `SharedPacer` for several."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from cf_llama.protocol.errors import WorkersAIError


class Counting(Enum):
    """How the service counts, as far as it has shown."""

    UNKNOWN = "unknown"
    SLIDING = "sliding"
    """Any window, or windows that begin with the first request: a burst is admitted again one window after itself."""
    FIXED = "fixed"
    BUCKET = "bucket"


class Sent:
    """One request that was sent.

    Args:
        at: When, in seconds of the pacer's clock.
        epoch: The number of the window in which it counts.
    """

    __slots__ = ("at", "epoch")

    def __init__(self, at: float, epoch: int) -> None:
        self.at, self.epoch = at, epoch


class Pacer(Protocol):
    """Decides when the next request may be sent."""

    waiting: int
    """Calls that wait, as the gate counts them."""

    @property
    def requests(self) -> int | None:
        """Requests in a window: configured, or learned."""

    @property
    def window(self) -> float | None:
        """Seconds of the window: configured, or learned."""

    @property
    def counting(self) -> Counting:
        """How the service counts."""

    @property
    def used(self) -> int:
        """Requests sent in the current window, without those that were refused."""

    @property
    def is_closed(self) -> bool:
        """Whether the limit is known to be reached."""

    @property
    def failure(self) -> WorkersAIError | None:
        """Why no request can be sent at all; the calls that wait fail with it."""

    def ready_at(self, now: float) -> float:
        """When the next request may be sent, or at the latest `look` is to be called."""

    def expected_at(self, now: float) -> float:
        """When the next request can be sent at the earliest; for information, so that it takes no place."""

    def begin(self, now: float, *, is_written: bool = True) -> Sent:
        """Count a request as sent.

        Args:
            now: The time.
            is_written: Whether it leaves at once, as far as will be known; otherwise call `written` when it does.
        """

    def written(self, sent: Sent, now: float) -> None:
        """Note that the request was written to its socket only now, after others let through with it."""

    def admitted(self, sent: Sent, now: float) -> None:
        """Note that the service has begun to answer a request, so it has counted it."""

    def refused(self, sent: Sent, now: float, retry_after: float | None = None) -> None:
        """Note that the service has refused a request because of the limit.

        Args:
            sent: The request.
            now: The time.
            retry_after: Seconds after which the service wants to be asked again.
        """

    def forgotten(self, sent: Sent, now: float) -> None:
        """Note that a request will have no answer: it was cancelled, or the connection failed."""

    def unsent(self, sent: Sent, now: float) -> None:
        """Note that a request counted as sent was not sent: its place is free."""

    def look(self, now: float) -> None:
        """Note that all answers that have arrived by now have been read."""

    def count(self, now: float) -> None:
        """Count a request as sent while no limit is in sight; `recall` it if the service refuses it all the same."""

    def recount(self, at: float, now: float) -> None:
        """Note that a request that was only counted was written only now."""

    def recall(self, at: float, now: float) -> Sent:
        """Return the record of a request that was only counted."""
