"""The interface between the wire and an engine.

The app turns a checked request body into an `EngineRequest`; an `Engine` answers it as a stream of pieces; the wire
module writes those pieces in the shape the service would use. An engine knows nothing of HTTP or of shapes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool offered in the request, in either of its two shapes."""

    name: str
    description: str = ""
    """Empty if the request has none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of the arguments as received; empty if the request has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """One request to an engine; exactly one of `prompt` and `messages` is set."""

    model: str
    messages: Sequence[Mapping[str, Any]] = ()
    prompt: str | None = None
    raw: bool = False
    tools: Sequence[Tool] = ()
    tool_choice: str | None = None
    """None or "auto": the engine decides; "none"; "required"; otherwise the name of the one tool to call."""
    response_format: Mapping[str, Any] | None = None
    """None, {"type": "json_object"} or {"type": "json_schema", "json_schema": <bare schema>}."""
    max_tokens: int = 256
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """temperature, top_p, top_k, seed and the penalties, as they came; absent keys are the service's defaults."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text, one or a few tokens long."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A whole tool call. `arguments` is a dict, or a string for invalid JSON on the wire."""

    name: str
    arguments: Mapping[str, Any] | str | None
    id: str | None = None
    """None: the wire creates one if its shape has ids."""


@dataclass(frozen=True, slots=True)
class End:
    """The last piece, always present: finish reason, and exact counts if the engine knows them."""

    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole HTTP response, as the only piece: written byte for byte instead of the wire's."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] = ()
    """The body, written chunk by chunk."""
    pause: float = 0.0
    """Seconds to wait before each chunk."""
    cut: bool = False
    """Whether the connection breaks after the last chunk instead of ending well."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of the answer that follows, as the first piece."""

    text: str
    """`name[=value], ...`, names out of the catalogue of faults."""


Piece = Text | Call | End | Raw | Faults
"""What an engine yields; `Raw` and `Faults` are for scripts."""


class Engine(Protocol):
    """Anything that answers an `EngineRequest`."""

    name: str
    """Shown in the banner and in the `x-emulator-engine` header."""

    def answer(self, request: EngineRequest) -> AsyncIterator[Piece]:
        """Yield pieces as they are generated, `End` last. Closing the iterator stops the generation."""
        ...
