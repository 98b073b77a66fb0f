"""Values of a reply: plain data, independent of the wire, compared by value.

A stream is a sequence of `Delta`; its last one carries the whole `Reply`. Folding the texts and calls of the deltas
gives exactly what that reply holds, whether the service answered whole or streamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cf_llama.protocol import model


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the service billed them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens read from the prefix cache."""
    neurons: float | None = None
    """Cloudflare's billing unit; None if the service did not report it."""

    @property
    def cost(self) -> float:
        """Cost in US dollars at the published price."""
        return model.cost(self.prompt_tokens, self.completion_tokens)

    def counts(self) -> dict[str, int]:
        """Token counts under OpenAI's names: `prompt_tokens`, `completion_tokens` and `total_tokens`."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }

    def __add__(self, other: Usage) -> Usage:
        """The sum of two usages."""
        neurons = [usage.neurons for usage in (self, other) if usage.neurons is not None]
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
            sum(neurons) if neurons else None,
        )


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call of the model.

    `id` is never empty and unique within the conversation. `arguments` is the parsed object; where the model wrote
    something else it is empty, `text` is what it wrote and `error` says what is wrong with it.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    text: str = "{}"
    """The arguments as JSON text for the history; as the model wrote them if `error` is set."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseMetadata:
    """Metadata from the response headers; empty strings and None if missing."""

    ray_id: str = ""
    """The `cf-ray` header, which Cloudflare's support needs."""
    request_id: str = ""
    """The `cf-ai-req-id` header."""
    neurons: float | None = None
    """The `cf-ai-neurons` header, rounded to two places by the service."""
    cache_status: str = ""
    """AI Gateway's `cf-aig-cache-status`: HIT, MISS or nothing."""
    gateway_log_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Response headers by lower-case name, redacted and without cookies."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's whole reply."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    """`stop`, `length` (the answer hit `max_tokens`) or `tool_calls`; the service's own word where it has another, and
    nothing on a partial reply."""
    usage: Usage | None = None
    """None if the service sent no counts."""
    model: str = ""
    """The requested model. The service may return another name for it."""
    response_metadata: ResponseMetadata = field(default_factory=ResponseMetadata)
    waited: float = 0.0
    """Seconds that the call waited for a place under the account's limits."""
    usage_is_share: bool = False
    """The counts are a share, by length, of what the service reported for a whole batch."""

    def metadata(self) -> dict[str, Any]:
        """Metadata beside text, calls and counts; what the service did not report is left out.

        `neurons` are the exact ones of the body where it has them; `cost_usd` is known for this model only.
        """
        usage, response_metadata = self.usage, self.response_metadata
        known = {
            "finish_reason": self.finish_reason,
            "neurons": usage.neurons if usage and usage.neurons is not None else response_metadata.neurons,
            "cost_usd": usage.cost if usage and self.model == model.MODEL else None,
            "usage_is_share": self.usage_is_share or None,
            "request_id": response_metadata.request_id,
            "ray_id": response_metadata.ray_id,
            "cache_status": response_metadata.cache_status,
            "gateway_log_id": response_metadata.gateway_log_id,
            "waited_seconds": round(self.waited, 3) or None,
        }
        return {name: value for name, value in known.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new: a piece of text, or calls that are now complete, or, at the very end, the whole reply."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reply: Reply | None = None
