"""The highest cost of a batch's items, reserved in budgets until their outcomes are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from cf_llama.batch.payloads import Item, Outcome, item_body, item_size
from cf_llama.config.budget import Budget
from cf_llama.protocol.errors import (
    BudgetExceededError,
    InvalidRequestError,
    RequestTimeoutError,
    SubmissionInDoubtError,
)
from cf_llama.protocol.model import CONTEXT_WINDOW, cost


class Reservations:
    """Hands out items as far as the budgets allow.

    Args:
        source: Returns the next items, at most as many as it is asked for.
        budgets: What they are held to.
    """

    def __init__(self, source: Callable[[int], Sequence[Item]] = lambda _: (), budgets: Sequence[Budget] = ()) -> None:
        self._source, self._budgets = source, budgets
        self._next: deque[Item] = deque()
        self._is_exceeded = False
        self._worst: dict[str, float] = {}

    def take(self, count: int) -> list[Item]:
        """Return the next items, at most `count`, and reserve what they may cost.

        Raises:
            BudgetExceededError: The next item does not fit. All further items are returned without a reservation.
        """
        if len(self._next) < count:
            self._next.extend(self._source(count - len(self._next)))
        taken: list[Item] = []
        while self._next and len(taken) < count:
            try:
                self._reserve(self._next[0])
            except BudgetExceededError:
                if taken:  # they go first
                    return taken
                self._is_exceeded = True
                raise
            taken.append(self._next.popleft())
        return taken

    def settled(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield the outcomes, and count what each was billed: the worst case if it may have been without an answer."""
        for outcome in outcomes:
            in_doubt = isinstance(outcome.error, SubmissionInDoubtError | RequestTimeoutError)
            usage = outcome.reply.usage if outcome.reply else None
            self._settle(outcome.reference, usage.cost if usage else None if in_doubt else 0.0)
            yield outcome

    def release(self, items: Sequence[Item]) -> None:
        """Give back what was reserved for items that were not sent."""
        for item in items:
            self._settle(item.reference, 0.0)

    def close(self) -> None:
        """Count the worst case of every item whose outcome is not awaited."""
        for reference in list(self._worst):
            self._settle(reference, None)

    def _reserve(self, item: Item) -> None:
        if self._is_exceeded or not self._budgets:
            return
        try:
            body = item_body(item, messages=True)
        except InvalidRequestError:  # it will not be sent
            return
        worst = cost(item_size(body), int(body.get("max_tokens") or CONTEXT_WINDOW))
        reserved: list[Budget] = []
        try:
            for budget in self._budgets:
                budget.reserve(worst)
                reserved.append(budget)
        except BudgetExceededError:
            for budget in reserved:
                budget.settle(worst, 0.0)
            raise
        self._worst[item.reference] = worst

    def _settle(self, reference: str, billed: float | None) -> None:
        worst = self._worst.pop(reference, None)
        if worst is not None:
            for budget in self._budgets:
                budget.settle(worst, worst if billed is None else billed)
