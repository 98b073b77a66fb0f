"""What an account has used up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cf_llama_emulator.faults.codes import error_of
from cf_llama_emulator.wire.errors import ServiceError

MINUTE, DAY = 60.0, 86_400.0


@dataclass
class Spending:
    """Requests of the last minute and neurons of the day, as one emulator counts them for itself."""

    clock: Callable[[], float] = time.time
    """Seconds since 1970; days begin at 00:00 UTC."""
    _admitted: deque[float] = field(default_factory=deque)
    _day: int = 0
    _neurons: float = 0.0

    def admit(self) -> int:
        """Count one more request; return how many came within the last minute."""
        now = self.clock()
        while self._admitted and self._admitted[0] <= now - MINUTE:
            self._admitted.popleft()
        self._admitted.append(now)
        return len(self._admitted)

    def dismiss(self) -> None:
        """Take the last request back: it was refused."""
        self._admitted.pop()

    def spend(self, neurons: float) -> None:
        """Count what an answer cost."""
        self._neurons = self.neurons + neurons

    @property
    def neurons(self) -> float:
        """Neurons spent since 00:00 UTC."""
        today = int(self.clock() // DAY)
        if today != self._day:
            self._day, self._neurons = today, 0.0
        return self._neurons


def over_rate(spending: Spending, limit: float) -> ServiceError | None:
    """Refuse with 429/3021 what comes above `limit` requests in a minute; refused ones do not count."""
    if spending.admit() <= limit:
        return None
    spending.dismiss()
    return error_of(3021)


def over_quota(spending: Spending, limit: float) -> ServiceError | None:
    """Refuse with 429/4006 once `limit` neurons are spent, until 00:00 UTC."""
    if spending.neurons < limit:
        return None
    return error_of(4006)
