"""Converts LlamaIndex's messages to the service's form."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from cf_llama.protocol import json_values
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.tool_arguments import object_of

_log = logging.getLogger(__name__)

_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}


def to_wire(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as objects with `role` and `content`, which is always a string.

    Calls go in OpenAI's form with their arguments as JSON text; a result names the tool whose call it answers.

    Raises:
        InvalidRequestError: a message holds anything but text and calls; the model reads nothing else. In turns of
            the assistant the rest is left out.
    """
    wire: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for number, message in enumerate(messages):
        if (plain := _one_text(message)) is not None:
            wire.append(plain)
            continue
        role = _ROLES[message.role]
        texts = _texts(message.blocks, f"messages[{number}]", of_a_model=role == "assistant")
        turn: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
        if role == "assistant" and (calls := _calls(message)):
            turn["tool_calls"] = calls
            called |= {call["id"]: call["function"]["name"] for call in calls if "id" in call}
        if role == "tool":
            turn |= _answered(message.additional_kwargs, called)
        wire.append(turn)
    return wire


def _one_text(message: ChatMessage) -> dict[str, Any] | None:
    """A turn that is only text; None for others."""
    if len(message.blocks) != 1 or message.additional_kwargs or (role := _ROLES[message.role]) == "tool":
        return None
    block = message.blocks[0]
    return {"role": role, "content": block.text} if type(block) is TextBlock else None


def _texts(blocks: Iterable[Any], where: str, *, of_a_model: bool) -> Iterator[str]:
    """The texts of a turn. Other content raises, except in a turn of another provider's model."""
    for block in blocks:
        match block:
            case TextBlock():
                yield block.text
            case CitableBlock():
                yield from _texts(block.content, where, of_a_model=of_a_model)
            case CachePoint() | CitationBlock() | ThinkingBlock() | ToolCallBlock():
                pass  # hints, notes on a text that stands beside them, and calls, which have a place of their own
            case _ if not of_a_model:
                raise InvalidRequestError(
                    f"{where} holds a block of type {block.block_type!r}; the model takes text only"
                )
            case _:
                _log.debug("%s: left out what is no text: %s", where, block.block_type)


def _calls(message: ChatMessage) -> list[dict[str, Any]]:
    """The calls of a turn: its blocks, or else those of other integrations in `additional_kwargs`."""
    if blocks := [block for block in message.blocks if isinstance(block, ToolCallBlock)]:
        return [_call(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    return [_foreign_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]


def _foreign_call(call: Any) -> dict[str, Any]:
    """A call of another integration, which may be an object of its SDK."""
    plain = call if isinstance(call, Mapping) else call.model_dump()
    function = plain.get("function", plain)
    return _call(plain.get("id"), function["name"], function.get("arguments") or {})


def _call(call_id: str | None, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    values = object_of(arguments) if isinstance(arguments, str) else arguments
    function = {"name": name, "arguments": json_values.dumps(values, default=str)}
    return {**({"id": call_id} if call_id else {}), "type": "function", "function": function}


def _answered(kept: Mapping[str, Any], called: Mapping[str, str]) -> dict[str, str]:
    """The call of a result; the tool's name is that of the call unless the message has one."""
    call_id = str(kept.get("tool_call_id") or "")
    known = {"tool_call_id": call_id, "name": kept.get("name") or called.get(call_id)}
    return {key: str(value) for key, value in known.items() if value}
