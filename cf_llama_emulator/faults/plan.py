"""The faults of one request, and how they combine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from cf_llama_emulator.faults.catalogue import CATALOGUE, RIDING, TIMES
from cf_llama_emulator.faults.faulty_writer import Change, FaultyWriter, last_text_with_finish
from cf_llama_emulator.faults.kinds import (
    BeforeAnswer,
    Chunks,
    Connection,
    Fault,
    OnBody,
    OnBytes,
    OnError,
    OnEvents,
    OnHeaders,
    OnPieces,
    OnSettings,
    Refusing,
)
from cf_llama_emulator.faults.limits import COUNTINGS, UsageCounter
from cf_llama_emulator.faults.values import written
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.engine_protocol import Piece
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.writers import Writer

HEADER = "x-emulator-faults"
NONE = "none"
"""As the whole text of a plan: no faults, not even those that the server has otherwise."""

MEMORY = 10_000
"""How many requests with faults of a limited number are remembered."""

_SEPARATOR = re.compile(rf",(?!\s*(?:{'|'.join(COUNTINGS)})\s*(?:,|$))")  # not the one within a rate limit

K = TypeVar("K", bound=Fault)


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults with their values, by name."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __str__(self) -> str:
        """Return it as it is written: `name[=value], ...`."""
        return ", ".join(name if value is None else f"{name}={written(value)}" for name, value in self.values.items())

    def over(self, other: Plan) -> Plan:
        """Return both together; where both have a fault, the value of this one."""
        return Plan({**other.values, **self.values})

    def of(self, kind: type[K]) -> Iterator[tuple[K, Any]]:
        """Yield the faults of one kind with their values, in the order of the catalogue."""
        for name, fault in CATALOGUE.items():
            if name in self.values and isinstance(fault, kind):
                yield fault, self.values[name]

    def settings(self, settings: Settings) -> Settings:
        """Return the settings for this request."""
        for fault, value in self.of(OnSettings):
            settings = fault.change(settings, value)
        return settings

    def change_body(self, body: dict[str, Any]) -> dict[str, Any]:
        """Apply faults to a request body.

        Raises:
            ServiceError: it is refused for what stands in it.
        """
        for fault, value in self.of(OnBody):
            body = fault.change(body, value)
        return body

    def refuse(self, usage: UsageCounter) -> None:
        """Refuse the request if there is a fault that does, else count it; of several, the first in their order.

        Raises:
            ServiceError: the refusal.
        """
        for fault, value in self.of(Refusing):
            if error := fault.error(usage, value):
                raise error
        for fault, value in self.of(Refusing):
            fault.count(usage, value)

    def refusal(self, error: ServiceError) -> ServiceError:
        """Return a refusal as it is to be written."""
        for fault, value in self.of(OnError):
            error = fault.change(error, value)
        return error

    async def pieces(self, pieces: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """Apply faults to the engine's output."""
        async with aclosing(pieces):
            async for piece in pieces:
                changed = [piece]
                for fault, value in self.of(OnPieces):
                    changed = [new for old in changed for new in fault.change(old, value)]
                for new in changed:
                    yield new

    def writer(self, writer: Writer) -> Writer:
        """Return a writer whose events are changed."""
        changes: list[Change] = [partial(fault.change, value) for fault, value in self.of(OnEvents)]
        if RIDING in self:
            changes.insert(0, last_text_with_finish())
        return FaultyWriter(writer, changes) if changes else writer

    def headers(self, *, streams: bool) -> dict[str, str]:
        """Return the headers that the faults set, lower-case."""
        fault_headers = [fault.headers for fault, _ in self._on_bytes(streams=streams)]
        set_ = [fault.headers(value) for fault, value in self.of(OnHeaders)]
        return {name: value for headers in (*fault_headers, *set_) for name, value in headers.items()}

    async def begin(self, connection: Connection) -> None:
        """Apply faults before the response."""
        for fault, value in self.of(BeforeAnswer):
            await fault.act(value, connection)

    async def body(self, chunks: Chunks, connection: Connection, *, streams: bool) -> AsyncGenerator[bytes]:
        """Yield a body, changed; every step of it is closed for certain, and a break of the line is one."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(chunks))
            for fault, value in self._on_bytes(streams=streams):
                chunks = await stack.enter_async_context(aclosing(fault.change(chunks, value)))
            try:
                async for chunk in chunks:
                    yield chunk
            except ConnectionAbortedError:
                connection.close()
                raise
            except ConnectionResetError:
                await asyncio.sleep(0.01)  # a reset takes back what has not been sent yet
                connection.reset()
                raise

    def touches_body(self, *, streams: bool) -> bool:
        """Whether a fault changes the response body."""
        return bool(self._on_bytes(streams=streams))

    def _on_bytes(self, *, streams: bool) -> list[tuple[OnBytes, Any]]:
        return [(fault, value) for fault, value in self.of(OnBytes) if streams or not fault.streams_only]


NO_FAULTS = Plan()


def read_plan(text: str) -> Plan:
    """Read `name[=value], name[=value], ...`.

    Raises:
        ValueError: a name is not known or a value is not allowed.
    """
    values: dict[str, Any] = {}
    for item in filter(None, map(str.strip, _SEPARATOR.split(text))):
        name, equals, value = map(str.strip, item.partition("="))
        if name not in CATALOGUE:
            close = get_close_matches(name, CATALOGUE, n=1)
            suggestion = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"fault must be one of {', '.join(CATALOGUE)}, not {name!r}{suggestion}")
        try:
            values[name] = CATALOGUE[name].takes.read(value if equals else None)
        except ValueError as error:
            raise ValueError(f"fault {name} {error}") from None
    return Plan(values)


def read_brought(text: str) -> Plan:
    """Read faults that a scripted answer brings along.

    Raises:
        ValueError: as for `read_plan`; or one acts before an answer is thought of.
    """
    plan = combined([text])
    for name in plan.values:
        if CATALOGUE[name].early:
            raise ValueError(f"fault {name} acts before a script is asked: give it to the request or to the server")
    return plan


def combined(texts: Sequence[str]) -> Plan:
    """Return several plans as one, the later over the earlier; `none` forgets the earlier ones."""
    plan = NO_FAULTS
    for text in texts:
        plan = NO_FAULTS if text.strip() == NONE else read_plan(text).over(plan)
    return plan


@dataclass
class FaultState:
    """How often faults have struck: those with a `times` leave a request alone in the end."""

    _struck: dict[tuple[bytes, str], int] = field(default_factory=dict)

    def still(self, plan: Plan, content: bytes) -> Plan:
        """Return `plan`, or no faults if it has applied to requests with this content `times` times."""
        if TIMES not in plan:
            return plan
        key = (sha256(content).digest(), repr(sorted(plan.values.items(), key=str)))
        self._struck[key] = self._struck.pop(key, 0) + 1
        for oldest in list(self._struck)[:-MEMORY]:
            del self._struck[oldest]
        return plan if self._struck[key] <= plan.values[TIMES] else NO_FAULTS
