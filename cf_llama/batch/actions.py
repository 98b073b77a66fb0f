"""The next actions of a batch driver, and the state of batches in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cf_llama.batch.packing import Submission
from cf_llama.batch.payloads import Item
from cf_llama.transport.json_call import JSONRequest


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submitted batch, as plain data: keep it to collect the results later."""

    request_id: str
    model: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for a number of seconds."""

    seconds: float


@dataclass(slots=True)
class Poll:
    """A batch to poll."""

    ticket: Ticket
    items: Sequence[Item]
    request: JSONRequest
    due: float
    pause: float
    deadline: float
    messages: bool
    """Whether its items may have been sent with messages and can be sent again."""

    @property
    def references(self) -> tuple[str, ...]:
        """References of its items, or the batch's id if they are unknown."""
        return self.ticket.references or (self.ticket.request_id,)


Action = Submission | Poll | Pause
