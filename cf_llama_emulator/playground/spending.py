"""What the answers of the real service have cost since the emulator was started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DOLLARS_PER_MILLION = {"input": 0.293, "output": 2.253}
"""The published price of a million tokens (Workers AI pricing page)."""


@dataclass(slots=True)
class Spending:
    """Requests to the service, and the tokens that its answers reported."""

    requests: int = 0
    under_way: int = 0
    without_usage: int = 0
    """Requests that may have cost something, though no answer says what."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def dollars(self) -> float:
        """The tokens at the published price."""
        price = DOLLARS_PER_MILLION
        return (self.prompt_tokens * price["input"] + self.completion_tokens * price["output"]) / 1e6

    def shown(self) -> dict[str, Any]:
        """Return what the page shows."""
        counts = {name: getattr(self, name) for name in ("requests", "under_way", "without_usage")}
        return counts | {"dollars": self.dollars}


class CountedRequest:
    """One request to the service, which counts from its begin to its end."""

    def __init__(self, spending: Spending) -> None:
        """Begin."""
        self._spending, self._ended = spending, False
        self.usage: tuple[int, int] | None = None
        """Tokens of prompt and completion, as the answer tells them."""
        self.may_cost = True
        """Whether it may cost something even if no answer says what."""
        spending.requests += 1
        spending.under_way += 1

    def end(self) -> None:
        """Count what it cost; a second call changes nothing."""
        if self._ended:
            return
        self._ended = True
        spending = self._spending
        spending.under_way -= 1
        if self.usage:
            spending.prompt_tokens += self.usage[0]
            spending.completion_tokens += self.usage[1]
        elif self.may_cost:
            spending.without_usage += 1
