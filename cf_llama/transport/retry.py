"""Decides whether to retry and how long to wait. Does not sleep.

Errors say themselves whether they can be retried (`is_retryable`). Full jitter prevents clients that failed together
from retrying together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cf_llama.protocol.errors import LONGEST_RETRY_AFTER, JSONModeError, WorkersAIError

ONCE = (JSONModeError,)
"""Failures of the model: one retry helps, more do not."""
ONCE_CODES = {3046}
"""The same for the service's timeout, after two minutes that are billed."""
BURST_CODES = {2009}
"""A wrong token at AI Gateway, or a burst of requests: after a token that has worked, one retry helps."""
_BURST_PAUSE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter, in seconds."""

    max_retries: int = 2
    base: float = 0.5
    cap: float = 8.0
    uniform: Callable[[float, float], float] = random.uniform

    def pause(self, attempt: int, error: WorkersAIError, *, credentials_worked: bool = False) -> float | None:
        """Seconds to wait before the next attempt; None if there is none.

        Args:
            attempt: Number of failed attempts, from 1.
            error: The last failure.
            credentials_worked: Whether an earlier call with the same credentials was answered.
        """
        is_burst = credentials_worked and error.code in BURST_CODES
        once = is_burst or isinstance(error, ONCE) or error.code in ONCE_CODES
        allowed = min(self.max_retries, 1) if once else self.max_retries
        if not (error.is_retryable or is_burst) or attempt > allowed:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else None
        if is_burst:
            return _BURST_PAUSE + self.uniform(0, self.cap)  # so that those refused together do not come back together
        return self.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))
