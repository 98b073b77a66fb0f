"""The daily free allocation of an account: once it is used up, no request is sent before it begins anew."""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, strftime, time

from cf_llama.protocol.errors import QuotaExceededError

DAY = 86_400.0
_CODES = {3036, 4006}
"""The service's codes for it (Cloudflare docs: Workers AI errors); it begins anew at 00:00 UTC (docs: pricing)."""


class DailyQuota:
    """What is known of an account's daily allocation.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._until: float | None = None
        self._refusal = ""

    @property
    def is_used_up(self) -> bool:
        """Whether every request would be refused."""
        return self._until is not None and self._clock() < self._until

    @property
    def until(self) -> float | None:
        """Seconds since 1970 at which it begins anew; None while it is not used up."""
        return self._until if self.is_used_up else None

    def refused(self, error: QuotaExceededError) -> None:
        """The service has refused a request; only the daily allocation has a known end."""
        if error.code in _CODES:
            self._until = (self._clock() // DAY + 1) * DAY
            self._refusal = error.message

    def error(self) -> QuotaExceededError:
        """The error for a call that is not sent."""
        seconds = (self._until or 0.0) - self._clock()
        when = strftime("%Y-%m-%d %H:%M UTC", gmtime(self._until))
        return QuotaExceededError(
            f"the daily free allocation is used up, so no request was sent: it begins anew at {when}, in "
            f"{seconds / 3600:.1f} h. Call cf_llama.forget_limits() after a change of the plan ({self._refusal})",
            code=4006,
            retry_after=seconds,
            is_retryable=False,
        )
