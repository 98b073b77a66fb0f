"""What can be done next about batches, and what is kept of those under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cf_llama.batch.packing import Submission
from cf_llama.batch.payloads import Item
from cf_llama.transport.json_call import JSONRequest


@dataclass(frozen=True, slots=True)
class Ticket:
    """A batch that the service has taken. It is plain data: keep it, and ask for the results later."""

    request_id: str
    model: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """There is nothing to do for so many seconds."""

    seconds: float


@dataclass(slots=True)
class Poll:
    """A batch to be asked for."""

    ticket: Ticket
    items: Sequence[Item]
    request: JSONRequest
    due: float
    pause: float
    deadline: float
    messages: bool
    """Whether its questions may have been written with messages, and can be sent anew."""

    @property
    def references(self) -> tuple[str, ...]:
        """The names of its questions; where they are not known, the name of the batch."""
        return self.ticket.references or (self.ticket.request_id,)


Action = Submission | Poll | Pause
