"""What is known of the limits of an account and model, for users to look at."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from cf_llama.transport.limits.capacity import Capacity
from cf_llama.transport.limits.pacer import Pacer


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known of the limits of an account and model in this process. Plain data."""

    requests: int | None
    """Requests in a window: configured, or learned from refusals; None while no refusal was seen."""
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


def snapshot(pacer: Pacer, capacity: Capacity, now: float, *, waiting: int, quota_until: float | None) -> Limits:
    """What is known now.

    Args:
        pacer: The rate limit.
        capacity: The service's capacity.
        now: Seconds of the pacer's clock.
        waiting: Calls that wait for a place.
        quota_until: See `Limits`.
    """
    ready = pacer.expected_at(now)
    return Limits(
        requests=pacer.requests,
        window=pacer.window,
        counting=pacer.counting.value,
        used=pacer.used,
        waiting=waiting,
        next_place=None if ready == inf or not capacity.is_free else ready - now,
        under_way=capacity.under_way,
        capacity=None if capacity.most == inf else int(capacity.most),
        quota_until=quota_until,
    )
