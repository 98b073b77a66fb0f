"""What an engine is asked and what it answers: the border between the wire and whatever thinks.

The app turns a checked request body into an `EngineRequest`; an `Engine` answers it as a stream of pieces; the wire
module writes those pieces in the shape the service would use. An engine knows nothing of HTTP or of shapes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as offered in the request, whichever of the two shapes it came in."""

    name: str
    description: str = ""
    """Empty where the request gives none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of the arguments, as it came; empty where the request gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """One request to think about; exactly one of `prompt` and `messages` is set."""

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
    """A whole tool call. `arguments` is a dict, or a string where a test wants broken JSON on the wire."""

    name: str
    arguments: Mapping[str, Any] | str | None
    id: str | None = None
    """None: the wire makes one where its shape has ids."""


@dataclass(frozen=True, slots=True)
class End:
    """The last piece, always given: why it stopped, and the counts where the engine knows them exactly."""

    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole HTTP answer, given alone: written byte for byte in place of what the wire would have written."""

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
    """What shall go wrong with the answer that follows; given first."""

    text: str
    """`name[=value], ...`, names out of the catalogue of faults."""


Piece = Text | Call | End | Raw | Faults
"""What an engine yields; `Raw` and `Faults` are for scripts."""


class Engine(Protocol):
    """Anything that answers an `EngineRequest`."""

    name: str
    """Shown in the banner and in the `x-emulator-engine` header."""

    def answer(self, request: EngineRequest) -> AsyncIterator[Piece]:
        """Yield pieces as they are thought, `End` last. Closing the iterator stops the thinking."""
        ...
