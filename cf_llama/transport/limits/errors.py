"""What a call fails with that found no place in time."""

from __future__ import annotations

from math import inf

from cf_llama.protocol.errors import RateLimitError, RequestTimeoutError, WorkersAIError
from cf_llama.transport.limits.line import Line
from cf_llama.transport.limits.pacer import Pacer
from cf_llama.transport.limits.place import Place


def no_place_error(place: Place, line: Line, pacer: Pacer, now: float) -> WorkersAIError:
    """The error, which says how long the call has waited, how many wait, and when it is worth asking again.

    Args:
        place: The call, which has left the line.
        line: The calls that still wait.
        pacer: The rate limit.
        now: Seconds of the pacer's clock.

    Returns:
        A `RequestTimeoutError` where the time for the whole call is over, else a `RateLimitError`.
    """
    waited = place.waited + now - place.asked_at
    ready = pacer.expected_at(now)
    limit = f" of {pacer.requests:,} requests" if pacer.requests else ""
    limit += f" in {pacer.window:g} s" if limit and pacer.window else ""
    ask_again = None if ready == inf else max(0.0, ready - now) + _turns(line.ahead_of(place), pacer)
    when = "" if ask_again is None else f"; ask again in {ask_again:.0f} s"
    text = f"no place under the rate limit{limit} after {waited:.1f} s; {len(line):,} calls wait{when}"
    if now >= place.deadline:
        return RequestTimeoutError(f"the time for the whole call is over: {text}", is_retryable=False)
    advice = "raise" if place.longest_wait is not None else "set"
    return RateLimitError(f"{text}, or {advice} rate_limit_wait", retry_after=ask_again, is_retryable=True)


def _turns(ahead: int, pacer: Pacer) -> float:
    """Seconds that the calls ahead take, as far as the limit is known."""
    return ahead // pacer.requests * pacer.window if pacer.requests and pacer.window else 0.0
