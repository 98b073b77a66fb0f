"""The limit on requests that an account has, as a user states it."""

from __future__ import annotations

from pydantic import Field
from pydantic.dataclasses import dataclass as validated

MINUTE = 60.0


@validated(frozen=True, config={"extra": "forbid"})
class RateLimit:
    """At most so many requests in so many seconds.

    Args:
        requests: Requests that the service admits in one window, 1 or more.
        seconds: Length of the window in seconds, above 0. Default: a minute.

    Raises:
        ValidationError: a value is out of range.
    """

    requests: int = Field(ge=1)
    seconds: float = Field(default=MINUTE, gt=0, allow_inf_nan=False)

    def __str__(self) -> str:
        """In words, for errors."""
        return f"{self.requests:,} requests in {self.seconds:g} s"
