"""The limit on requests that an account has, as a user states it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass as validated

MINUTE = 60.0
SQLITE = "sqlite:///"
_SCHEMES = (SQLITE, "redis://", "rediss://", "unix://")


@runtime_checkable
class RateLimitStore(Protocol):
    """Where several processes take places under one limit."""

    def acquire(self, key: str, limit: RateLimit) -> float:
        """Take a place.

        Args:
            key: What the limit belongs to: a digest of account, model and gateway.
            limit: The limit that all places of this key keep.

        Returns:
            0, or the seconds after which to ask again.

        Raises:
            WorkersAIError: the store gives no places; the call that waits fails with it.
        """
        ...


@validated(frozen=True, config={"extra": "forbid", "arbitrary_types_allowed": True})
class RateLimit:
    """At most so many requests in so many seconds.

    Args:
        requests: Requests that the service admits in one window, 1 or more.
        seconds: Length of the window in seconds, above 0. Default: a minute.
        store: Where several processes keep the limit together: "sqlite:///limits.db" (a file, for one machine; four
            slashes for an absolute path), "redis://host:6379/0", or a `RateLimitStore`. Default: each process alone.

    Raises:
        ValidationError: a value is out of range.
    """

    requests: int = Field(ge=1)
    seconds: float = Field(default=MINUTE, gt=0, allow_inf_nan=False)

    store: str | RateLimitStore | None = Field(default=None, repr=False)

    @field_validator("store", mode="before")
    @classmethod
    def _known_store(cls, value: object) -> object:
        is_url = isinstance(value, str) and value.startswith(_SCHEMES) and value not in _SCHEMES
        if not (value is None or is_url or isinstance(value, RateLimitStore)):
            raise ValueError(
                "store must be sqlite:///file, redis://host, rediss://host, unix://socket or a RateLimitStore"
            )
        return value

    def as_json(self) -> dict[str, Any]:
        """The arguments as JSON; without a store that is an object or whose URL holds a password."""
        store = self.store if isinstance(self.store, str) and "@" not in self.store else None
        return {"requests": self.requests, "seconds": self.seconds} | ({"store": store} if store else {})

    def __str__(self) -> str:
        """In words, for errors."""
        return f"{self.requests:,} requests in {self.seconds:g} s"
