"""Packs items into batches, in their order, each batch for one model and within the size limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from cf_llama.batch.payloads import Item, Outcome, item_body, item_size
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.transport.json_call import JSONRequest

_AROUND = len('{"requests":[]}')


@dataclass(slots=True)
class Submission:
    """A batch to submit."""

    items: Sequence[Item]
    request: JSONRequest
    messages: bool = True
    """Whether items are sent with messages."""
    first: float = inf
    """Time of the first submission."""

    @property
    def references(self) -> tuple[str, ...]:
        """References of its items."""
        return tuple(item.reference for item in self.items)


class Packed(NamedTuple):
    """Batches, and the outcomes of items that cannot be sent."""

    submissions: list[Submission]
    refused: list[Outcome]


@dataclass(slots=True)
class _Pack:
    model: str
    room: int
    items: list[Item] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def add(self, item: Item, body: dict[str, Any], length: int) -> None:
        self.items.append(item)
        self.bodies.append(body)
        self.room -= length

    def submission(self, *, messages: bool) -> Submission:
        request = JSONRequest(model=self.model, content={"requests": self.bodies}, repeatable=False)
        return Submission(self.items, request, messages)


def pack(items: Sequence[Item], *, messages: bool, max_bytes: int) -> Packed:
    """Pack items in their order.

    Args:
        items: The requests; how many go into one batch is decided by how many are given here.
        messages: Whether they are written with messages.
        max_bytes: Of one batch.
    """
    packs: list[_Pack] = []
    refused: list[Outcome] = []
    for item in items:
        try:
            body, length = _sized_body(item, messages, max_bytes)
        except InvalidRequestError as error:
            refused.append(Outcome(reference=item.reference, error=error))
            continue
        if not packs or length > packs[-1].room or item.request.model != packs[-1].model:
            packs.append(_Pack(item.request.model, max_bytes - _AROUND))
        packs[-1].add(item, body, length)
    return Packed([pack.submission(messages=messages) for pack in packs], refused)


def _sized_body(item: Item, messages: bool, max_bytes: int) -> tuple[dict[str, Any], int]:
    body = item_body(item, messages=messages)
    length = item_size(body)
    if length > max_bytes - _AROUND:
        raise InvalidRequestError(f"the item is larger than {max_bytes:,} bytes")
    return body, length
