"""Converts replies to LangChain's messages, whole or in chunks, with the same result.

Only broken arguments differ: chunks cannot say what is wrong with them, and mark them (see `invalid_tool_calls`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

from cf_llama.protocol import model as facts
from cf_llama.protocol.reply import Delta, Reply, ToolCall, Usage
from langchain_cf_llama.invalid_tool_calls import unrepairable

FIRST_CALL_INDEX = 100
"""LangChain numbers text blocks from 0 and merges blocks with equal numbers, so calls need others."""


def to_message(reply: Reply, *, headers: bool = False) -> AIMessage:
    """Convert a whole reply to a message, with the response `headers` in its metadata on request."""
    return AIMessage(
        content=reply.text,
        tool_calls=[
            tool_call(id=call.id, name=call.name, args=dict(call.arguments))
            for call in reply.tool_calls
            if not call.error
        ],
        invalid_tool_calls=[
            invalid_tool_call(id=call.id, name=call.name, args=call.text, error=call.error)
            for call in reply.tool_calls
            if call.error
        ],
        usage_metadata=usage_metadata(reply.usage),
        response_metadata=metadata(reply) | (_headers(reply) if headers else {}),
    )


def generation(message: AIMessage) -> ChatGeneration:
    """The generation of a message; some callbacks look for the finish reason only here."""
    reason = message.response_metadata["finish_reason"]
    return ChatGeneration(message=message, generation_info={"finish_reason": reason})


class ChunkWriter:
    """Converts the deltas of a stream to chunks.

    LangChain adds chunks up: it joins strings and adds numbers, so each piece of metadata is on one chunk only.
    """

    def __init__(self, model: str, *, usage: bool = True, headers: bool = False) -> None:
        self._model_name = _model_name(model)
        self._usage, self._headers = usage, headers
        self._index = FIRST_CALL_INDEX

    def chunk(self, delta: Delta) -> ChatGenerationChunk:
        """Convert a delta to a chunk."""
        response_metadata, self._model_name = self._model_name, {}
        filled: dict[str, Any] = {}  # a field that is named takes its place in every chunk, also when it is empty
        if delta.tool_calls:
            filled["tool_call_chunks"] = self._calls(delta.tool_calls)
        if delta.reply:
            response_metadata |= _reply_metadata(delta.reply) | (_headers(delta.reply) if self._headers else {})
            filled["chunk_position"] = "last"
            if self._usage:
                filled["usage_metadata"] = usage_metadata(delta.reply.usage)
        if response_metadata:
            filled["response_metadata"] = response_metadata
        info = {"finish_reason": delta.reply.finish_reason} if delta.reply else None
        return ChatGenerationChunk(message=AIMessageChunk(content=delta.text, **filled), generation_info=info)

    def _calls(self, calls: Sequence[ToolCall]) -> list[ToolCallChunk]:
        first, self._index = self._index, self._index + len(calls)
        return [
            tool_call_chunk(
                id=call.id,
                name=call.name,
                args=unrepairable(call.text) if call.error else call.text,
                index=index,
            )
            for index, call in enumerate(calls, first)
        ]


def usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Token counts in LangChain's form; None if the service sent none."""
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
    )


def metadata(reply: Reply) -> dict[str, Any]:
    """Metadata of a reply: neurons, cost in US dollars, and ids for support."""
    return _model_name(reply.model) | _reply_metadata(reply)


def llm_output(reply: Reply) -> dict[str, Any]:
    """The `llm_output` that older callbacks read."""
    return {"model_name": reply.model} | _token_usage(reply)


def sum_llm_outputs(outputs: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Combine several `llm_output`s by adding their tokens. Streamed answers have none."""
    known = [output for output in outputs if output]
    if not known:
        return {}
    used = [output["token_usage"] for output in known if "token_usage" in output]
    total = {"token_usage": {name: sum(each[name] for each in used) for name in used[0]}} if used else {}
    return {"model_name": known[0]["model_name"]} | total


def _reply_metadata(reply: Reply) -> dict[str, Any]:
    return reply.metadata() | _token_usage(reply)


def _token_usage(reply: Reply) -> dict[str, Any]:
    return {"token_usage": reply.usage.counts()} if reply.usage else {}


def _headers(reply: Reply) -> dict[str, Any]:
    return {"headers": {name: value for name, value in reply.response_metadata.headers.items() if name != "set-cookie"}}


def _model_name(model: str) -> dict[str, Any]:
    return {"model_provider": facts.PROVIDER, "model_name": model}
