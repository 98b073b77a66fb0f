"""The kinds of faults, by the point between request and response where they apply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cf_llama_emulator.faults.limits import UsageCounter
from cf_llama_emulator.faults.values import NOTHING, Value
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.engine_protocol import Piece
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.writers import Event

Chunks = AsyncGenerator[bytes]


class Connection(Protocol):
    """The client's connection."""

    def close(self) -> None:
        """End it in the middle of the answer, after what has been written."""
        ...

    def reset(self) -> None:
        """End it with a TCP reset."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; this base kind is a switch that handlers look up by name."""

    name: str
    does: str
    """One line, in the present tense."""
    known: str
    """Where this behaviour is known from."""
    takes: Value = NOTHING
    early: bool = False
    """Whether it acts before an answer is thought of, too early for one that brings it along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSettings(Fault):
    """Changes how the emulator writes, for one request."""

    change: Callable[[Settings, Any], Settings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing(Fault):
    """Refuses the request in place of an answer; perhaps only when something is used up."""

    error: Callable[[UsageCounter, Any], ServiceError | None]
    count: Callable[[UsageCounter, Any], None] = lambda _, __: None
    """Counts a request that is not refused, by this fault or another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnError(Fault):
    """Changes how a refusal is written."""

    change: Callable[[ServiceError, Any], ServiceError]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBody(Fault):
    """Changes or rejects a request body before validation."""

    early: bool = True
    change: Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPieces(Fault):
    """Changes the engine's output."""

    change: Callable[[Piece, Any], Iterable[Piece]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEvents(Fault):
    """Changes the events of one step of a stream, or the whole answer; it may change those it is given.

    The steps are start, text, call, finish and whole.
    """

    change: Callable[[Any, str, list[Event]], list[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHeaders(Fault):
    """Sets headers of the answer."""

    headers: Callable[[Any], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBytes(Fault):
    """Changes the body on its way out.

    A `ConnectionAbortedError` of it closes the connection, a `ConnectionResetError` resets it.
    """

    change: Callable[[Chunks, Any], Chunks]
    streams_only: bool = False
    """Whether a body that is no stream of events stays as it is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the answer's headers have to say about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnQueue(Fault):
    """Changes how a batch is processed; the queue looks it up by name."""

    early: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAnswer(Fault):
    """Acts on the connection before the first byte of the response."""

    act: Callable[[Any, Connection], Awaitable[None]]
