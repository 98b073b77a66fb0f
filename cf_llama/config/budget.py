"""The cost of calls: the worst case of each is reserved before it is sent, then replaced by what was billed."""

from __future__ import annotations

from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from time import time
from typing import Any, Self

from cf_llama.protocol.errors import BudgetExceededError, InvalidRequestError, JournalError

DAY = 86_400.0
NEURONS_PER_USD = 1000 / 0.011
"""Cloudflare's price: 0.011 US dollars for 1,000 neurons (Cloudflare docs: Workers AI pricing)."""


class Budget:
    """A limit on what calls cost, shared by every model, thread and event loop that uses it.

    Args:
        usd: US dollars at the published price of the model.
        neurons: Or Cloudflare's units. Exactly one of the two.
        per: "day" begins anew at 00:00 UTC, a number of seconds at its multiples since 1970. None: for good.
        path: A file that keeps what was spent, for several processes and across restarts. None: memory.

    Raises:
        InvalidRequestError: not exactly one of `usd` and `neurons` is above 0, or `per` is not one of these.
        JournalError: the file cannot be used.
    """

    def __init__(
        self,
        usd: float | None = None,
        *,
        neurons: float | None = None,
        per: str | float | None = None,
        path: str | Path | None = None,
    ) -> None:
        limits = [value for value in (usd, neurons) if value is not None]
        if len(limits) != 1 or not limits[0] > 0:
            raise InvalidRequestError("a budget must have either usd or neurons, above 0")
        if per is not None and per != "day" and (isinstance(per, str) or not per > 0):
            raise InvalidRequestError(f'per must be "day", a number of seconds above 0, or None, not {per!r}')
        self.usd = usd if usd is not None else (neurons or 0.0) / NEURONS_PER_USD
        """The limit in US dollars."""
        self._seconds = per if isinstance(per, int | float) else DAY if per else None
        self._path = None if path is None else str(path)
        self._lock = Lock()
        self._period = 0.0
        self._spent = self._reserved = 0.0
        self._under_way = 0
        if self._path:
            self._read(self._path, 0.0)

    @property
    def spent(self) -> float:
        """US dollars that answers have been billed in this period."""
        with self._lock:
            self._begin_period()
            return self._spent

    @property
    def reserved(self) -> float:
        """US dollars that requests under way may cost at most."""
        return self._reserved

    @property
    def left(self) -> float:
        """US dollars that further requests may cost at most."""
        with self._lock:
            self._begin_period()
            return max(0.0, self.usd - self._spent - self._reserved)

    def reserve(self, worst: float) -> None:
        """Reserve the highest cost of a request, in US dollars.

        Raises:
            BudgetExceededError: it would exceed the budget; nothing is set aside.
        """
        with self._lock:
            self._begin_period()
            if self._spent + self._reserved + worst > self.usd:
                raise BudgetExceededError(
                    f"the budget of ${self.usd:.6g}{self._per()} would be exceeded, so the request was not sent: "
                    f"${self._spent:.6f} are spent, ${self._reserved:.6f} are reserved for calls under way, and this "
                    f"one may cost ${worst:.6f}"
                )
            self._reserved += worst
            self._under_way += 1

    def settle(self, worst: float, billed: float) -> None:
        """Replace the reservation for a request by what was billed."""
        with self._lock:
            self._begin_period()
            self._under_way -= 1
            self._reserved = max(0.0, self._reserved - worst) if self._under_way else 0.0
            self._spent = self._read(self._path, billed) if self._path and billed else self._spent + billed

    def __enter__(self) -> Self:
        """Apply this budget to every call of the block, also in threads and tasks that copy its context."""
        _blocks.set((*_blocks.get(), self))
        return self

    def __exit__(self, *failure: object) -> None:
        blocks = _blocks.get()
        last = len(blocks) - 1 - blocks[::-1].index(self)
        _blocks.set(blocks[:last] + blocks[last + 1 :])

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *failure: object) -> None:
        self.__exit__(*failure)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Budget(usd={self.usd:.6g}, spent={self._spent:.6g}, reserved={self._reserved:.6g})"

    def _per(self) -> str:
        if self._seconds is None:
            return ""
        return " a day" if self._seconds == DAY else f" in {self._seconds:g} s"

    def _begin_period(self) -> None:
        period = time() // self._seconds if self._seconds else 0.0
        if period != self._period:
            self._period, self._spent = period, 0.0
        if self._path:
            self._spent = self._read(self._path, 0.0)

    def _read(self, path: str, billed: float) -> float:
        """Add what was billed to the file, and return what all processes have spent in this period."""
        import sqlite3  # noqa: PLC0415 - most budgets have no file

        self._period = time() // self._seconds if self._seconds else 0.0
        try:
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as file:
                file.execute("CREATE TABLE IF NOT EXISTS spent (period REAL PRIMARY KEY, usd REAL NOT NULL)")
                if billed:
                    file.execute(
                        "INSERT INTO spent VALUES (?, ?) ON CONFLICT (period) DO UPDATE SET usd = usd + excluded.usd",
                        (self._period, billed),
                    )
                row = file.execute("SELECT usd FROM spent WHERE period = ?", (self._period,)).fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"the budget's file {path} cannot be used: {error}") from None
        return float(row[0]) if row else 0.0


_blocks: ContextVar[tuple[Budget, ...]] = ContextVar("cf_llama_budgets", default=())


def budget(usd: float | None = None, *, neurons: float | None = None) -> Budget:
    """A budget for the calls of a block, also of an `async with`; see `Budget`."""
    return Budget(usd, neurons=neurons)


def budgets_of(own: Budget | None) -> tuple[Budget, ...]:
    """The budgets that apply to a call: the model's own, and those of the blocks around it, each once."""
    blocks = _blocks.get()
    return blocks if own is None or own in blocks else (own, *blocks)
