"""Converts LangChain's messages to the service's form: a role, a string, and calls in OpenAI's form.

Content blocks of LangChain (v0 and v1), OpenAI and Anthropic are all read. Whatever is not text is refused, as the
model would never see it; in the model's own turns, which another provider's model may have taken, it is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from cf_llama.protocol import json_values
from cf_llama.protocol.errors import InvalidRequestError
from langchain_cf_llama.invalid_tool_calls import repeatable

_PLAIN_ROLES: dict[type[BaseMessage], str] = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
_ROLES = {"human": "user", "ai": "assistant", "developer": "system"}
_MODEL_CONTENT_TYPES = ("ai", "assistant")
_MEDIA = ("image", "audio", "video", "file", "document")
_DOCUMENTS = ("document", "search_result")
_CALL_BLOCKS = frozenset({"tool_call", "tool_use"})
_NO_TEXT = _CALL_BLOCKS | {
    "tool_call_chunk", "invalid_tool_call", "function_call", "custom_tool_call", "non_standard",
    "reasoning", "reasoning_content", "thinking", "redacted_thinking",
}  # fmt: skip
"""Content blocks of model turns that are not text: tool calls are sent separately, reasoning is omitted."""

_log = logging.getLogger(__name__)

Content = str | list[str | dict[str, Any]]


def messages_of(model_input: LanguageModelInput) -> list[BaseMessage]:
    """Convert any input of a LangChain model to messages.

    Raises:
        ValueError: it is none.
    """
    if isinstance(model_input, PromptValue):
        return model_input.to_messages()
    if not isinstance(model_input, Sequence):
        raise ValueError(f"the input must be a string, a prompt or messages, not {type(model_input).__name__}")  # noqa: TRY004 - LangChain's convention
    return convert_to_messages([model_input] if isinstance(model_input, str) else model_input)


def to_wire(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Convert messages to the form of `ChatRequest.messages`.

    Raises:
        InvalidRequestError: a message is of an unknown type, or holds something other than text.
    """
    turns: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        if (plain := _is_plain_message(message)) is not None:
            turns.append(plain)
        else:
            turns += _message_to_wire(message, f"messages[{number}]")
    return turns


def _is_plain_message(message: BaseMessage) -> dict[str, Any] | None:
    """A turn that is only text; None for others."""
    role = _PLAIN_ROLES.get(type(message))
    if role is None or message.name or not isinstance(message.content, str):
        return None
    if isinstance(message, AIMessage) and (
        message.tool_calls or message.invalid_tool_calls or message.additional_kwargs
    ):
        return None
    return {"role": role, "content": message.content}


def _message_to_wire(message: BaseMessage, where: str) -> Iterator[dict[str, Any]]:
    named = {"name": message.name} if message.name else {}
    content, within = message.content, f"{where}.content"
    match message:
        case SystemMessage():
            yield {"role": "system", "content": _text(content, within), **named}
        case HumanMessage():
            results, rest = _tool_results(content, within)
            yield from results
            if rest or not results:
                yield {"role": "user", "content": _text(rest, within), **named}
        case AIMessage():
            calls = _calls(message)
            text = _assistant_text(content, within) or message.additional_kwargs.get("refusal") or ""
            turn = {"role": "assistant", "content": text, **named}
            yield turn | {"tool_calls": calls} if calls else turn
        case ToolMessage():
            yield _tool_result(message.tool_call_id, content, within) | named
        case ChatMessage():
            text = (_assistant_text if message.role in _MODEL_CONTENT_TYPES else _text)(content, within)
            yield {"role": _ROLES.get(message.role, message.role), "content": text, **named}
        case _:
            kind = type(message).__name__
            raise InvalidRequestError(f"{where} is a {kind}; allowed are system, human, AI, tool and chat messages")


def _text(content: Content, where: str) -> str:
    if isinstance(content, str):
        return content
    texts = [_block_text(block) for block in content]
    if None in texts:
        number = texts.index(None)
        kind = _kind(content[number])
        raise InvalidRequestError(f"{where}[{number}] is of type {kind!r}; this model reads text only")
    return "".join(filter(None, texts))


def _assistant_text(content: Content, where: str) -> str:
    """The text of a model turn; searches, images and the like of other providers' models are omitted."""
    if isinstance(content, str):
        return content
    blocks = [block for block in content if _kind(block) not in _NO_TEXT]
    if others := sorted({_kind(block) for block in blocks if _block_text(block) is None}):
        _log.debug("%s: left out what is no text: %s", where, ", ".join(others))
    return "".join(filter(None, map(_block_text, blocks)))


def _block_text(block: Any) -> str | None:
    match block:
        case (
            {"type": "document", "source": {"type": "text", "data": str(content)}}
            | {"type": "document", "source": {"type": "content", "content": str() | list() as content}}
            | {"type": "search_result", "content": str() | list() as content}
        ):
            return _document_text(block, content)
        case {"type": "text-plain", "text": str(text)} if block.get("title") or block.get("context"):
            return _document_text(block, text)
        case str(text) | {"text": str(text)} | {"refusal": str(text)}:
            return text
    return None


def _document_text(block: Mapping[str, Any], content: str | list[Any]) -> str | None:
    """A document in separate lines, below its title, address and context; None if it holds more than text."""
    texts = [_block_text(part) for part in ([content] if isinstance(content, str) else content)]
    heads = [head for name in ("title", "source", "context") if isinstance(head := block.get(name), str) and head]
    return None if None in texts or not texts else "\n".join(("", *heads, "".join(filter(None, texts)), ""))


def _kind(block: str | dict[str, Any]) -> str:
    return str(block.get("type", "")) if isinstance(block, Mapping) else "text"


def _tool_result(call_id: str, content: Content, where: str) -> dict[str, Any]:
    """A tool result; data that is not text is sent as JSON."""
    if not isinstance(content, str) and not all(map(_is_text, content)):
        for number, block in enumerate(content):
            if not _is_text(block) and any(medium in _kind(block) for medium in _MEDIA):
                raise InvalidRequestError(f"{where}[{number}] is of type {_kind(block)!r}; this model reads text only")
        content = json.dumps(content, ensure_ascii=False, default=str)
    return {"role": "tool", "tool_call_id": call_id, "content": _text(content, where)}


def _is_text(block: str | dict[str, Any]) -> bool:
    """Whether a block of a tool result is text, and no data."""
    if isinstance(block, str) or "text" in block:
        return True
    return _kind(block) in _DOCUMENTS and _block_text(block) is not None


def _tool_results(content: Content, where: str) -> tuple[list[dict[str, Any]], Content]:
    """Tool results that Anthropic's form puts into a human turn, and its text."""
    if isinstance(content, str):
        return [], content
    results = [
        _tool_result(str(block.get("tool_use_id")), block.get("content", ""), f"{where}[{number}].content")
        for number, block in enumerate(content)
        if isinstance(block, Mapping) and _kind(block) == "tool_result"
    ]
    return results, [block for block in content if _kind(block) != "tool_result"]


def _calls(message: AIMessage) -> list[dict[str, Any]]:
    """All calls of a turn, once each: valid, invalid, and those only in content blocks."""
    calls = [(call["id"], call["name"], json_values.dumps(call["args"])) for call in message.tool_calls]
    calls += [
        (broken["id"], broken["name"], repeatable(broken["args"] or ""))
        for broken in message.invalid_tool_calls
        if broken["name"]
    ]
    calls += [block for block in _block_calls(message.content) if block[0] not in {call[0] for call in calls}]
    return [
        {"id": call_id or f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (call_id, name, arguments) in enumerate(calls)
    ]


def _block_calls(content: Content) -> Iterator[tuple[str | None, str, str]]:
    for block in content if isinstance(content, list) else ():
        if isinstance(block, Mapping) and _kind(block) in _CALL_BLOCKS and block.get("name"):
            yield block.get("id"), str(block["name"]), json_values.dumps(block.get("input", block.get("args")) or {})
