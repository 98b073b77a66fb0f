"""Token counts of a stream, which come once at the end, or as an increment on every event, or both."""

from __future__ import annotations

from dataclasses import replace

from cf_llama.protocol.reply import Usage


class UsageAccumulator:
    """Combines all usages of a stream into the billed one."""

    def __init__(self) -> None:
        self._first: Usage | None = None
        self._sum: Usage | None = None  # the first and all increments after it
        self._whole: Usage | None = None  # the largest of those that count everything again

    def add(self, usage: Usage) -> None:
        """Take the usage of one event. Only increments count no prompt, except for the first of them."""
        if self._sum is None:
            self._first = self._sum = usage
        elif not usage.prompt_tokens:
            self._sum += usage
        elif self._whole is None or usage.total_tokens >= self._whole.total_tokens:
            self._whole = usage if self._whole is None else _with_earlier_details(usage, self._whole)

    def total(self) -> Usage | None:
        """Token counts of the reply; None if the service sent none."""
        if self._whole is None or self._first is None or self._whole.total_tokens < self._first.total_tokens:
            return self._sum
        return _with_earlier_details(self._whole, self._sum) if self._sum else self._whole


def _with_earlier_details(usage: Usage, earlier: Usage) -> Usage:
    """`usage`, completed by what only an earlier event of the same stream reported."""
    return replace(
        usage,
        cached_tokens=usage.cached_tokens or earlier.cached_tokens,
        neurons=usage.neurons if usage.neurons is not None else earlier.neurons,
    )
