"""Whether to try again, and how long to wait: decided here, waited for elsewhere.

What may be repeated is said by the error itself (`is_retryable`). Full jitter, because clients that were refused
together must not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cf_llama.protocol.errors import LONGEST_RETRY_AFTER, JSONModeError, WorkersAIError

ONCE = (JSONModeError,)
"""Failures of the model rather than of the service: asking once more helps, asking often does not."""
ONCE_CODES = {3046}
"""The same, of the service: it has worked for two minutes in vain, and bills them."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before each further attempt, in seconds."""

    max_retries: int = 2
    base: float = 0.5
    cap: float = 8.0
    uniform: Callable[[float, float], float] = random.uniform

    def pause(self, attempt: int, error: WorkersAIError) -> float | None:
        """Seconds to wait before the next attempt; None where there is to be none.

        Args:
            attempt: How many attempts have failed, from 1.
            error: How the last one failed.
        """
        once = isinstance(error, ONCE) or error.code in ONCE_CODES
        allowed = min(self.max_retries, 1) if once else self.max_retries
        if not error.is_retryable or attempt > allowed:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else None
        return self.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))
