"""Converts replies to LlamaIndex's responses, whole or accumulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection

from cf_llama.protocol import model as facts
from cf_llama.protocol.reply import Delta, Reply, ToolCall
from cf_llama.protocol.tool_arguments import object_of


def chat_response(reply: Reply) -> ChatResponse:
    """Convert a whole reply; `raw` is a dictionary, see `raw`."""
    return _response(reply.text, reply.tool_calls, reply)


@dataclass(slots=True)
class ResponseAccumulator:
    """Turns deltas into responses with the answer so far and a `delta` with the new part."""

    text: str = field(default="", repr=False)
    calls: tuple[ToolCall, ...] = field(default=(), repr=False)

    def add(self, delta: Delta) -> ChatResponse:
        """Add a delta; the last one adds `raw` and the token counts."""
        self.text += delta.text
        self.calls += delta.tool_calls
        return _response(self.text, self.calls, delta.reply, delta.text)


def _response(text: str, calls: Sequence[ToolCall], reply: Reply | None, delta: str | None = None) -> ChatResponse:
    message = _message(text, calls)
    if reply is None:
        return ChatResponse(message=message, delta=delta)
    counts = reply.usage.counts() if reply.usage else {}
    return ChatResponse(message=message, delta=delta, raw=raw(reply), additional_kwargs=counts)


def _message(text: str, calls: Sequence[ToolCall]) -> ChatMessage:
    """One text block, even if it is empty, then the calls.

    The calls stand in `additional_kwargs` as well: streamed structured output and the chat engines look only there.
    """
    blocks: list[ContentBlock] = [TextBlock(text=text), *map(_block, calls)]
    kept = {"tool_calls": list(map(_content, calls))} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kept)


def _block(call: ToolCall) -> ToolCallBlock:
    arguments = call.text if call.error else dict(call.arguments)
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=arguments)


def _content(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def raw(reply: Reply) -> dict[str, Any]:
    """Metadata of a reply as plain JSON; unknown values are omitted.

    Keys: `model_name` (also `model`, where tracers look), `model_provider`, `finish_reason`, `usage` (token counts
    under OpenAI's names, where LlamaIndex's `TokenCountingHandler` reads them), `neurons`, `cost_usd` at the published
    price, `request_id`, `ray_id`, `cache_status`, `gateway_log_id`.
    """
    usage = reply.usage
    named = {"model": reply.model, "model_name": reply.model, "model_provider": facts.PROVIDER}
    counts = usage.counts() | {"prompt_tokens_details": {"cached_tokens": usage.cached_tokens}} if usage else None
    return named | ({"usage": counts} if counts else {}) | reply.metadata()


def tool_selections(message: ChatMessage) -> list[ToolSelection]:
    """The tool calls of a message in the form of LlamaIndex's agents.

    Arguments that are no JSON object become a single one that no tool takes, so that the tool reports them to the
    model instead of running with less than was meant.
    """
    calls = (block for block in message.blocks if isinstance(block, ToolCallBlock))
    return [
        ToolSelection(
            tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=_arguments(call.tool_kwargs)
        )
        for call in calls
    ]


def _arguments(options: Mapping[str, Any] | str) -> dict[str, Any]:
    return object_of(options) if isinstance(options, str) else dict(options)
