"""What the rule engine reads out of a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cf_llama_emulator.wire.engine_protocol import EngineRequest

_USER_TURN = re.compile(r"<\|start_header_id\|>user<\|end_header_id\|>\s*(.*?)(?:<\|eot_id\|>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The parts of a conversation that rules look at."""

    system: str
    """All system turns, joined by blank lines."""
    last_user: str
    """The last user turn; with a prompt, the prompt or its last user turn in Llama's template."""
    called: Sequence[str]
    """Names of the tools called since the last user turn."""
    results: Sequence[tuple[str, str]]
    """Tool results since the last user turn: the tool's name ("the tool" if unknown) and the content."""


def read_conversation(request: EngineRequest) -> Conversation:
    """Return the parts of `request` that rules look at."""
    if request.prompt is not None:
        turns = _USER_TURN.findall(request.prompt)
        return Conversation("", turns[-1] if turns else request.prompt, (), ())
    messages = request.messages
    users = [position for position, message in enumerate(messages) if message["role"] == "user"]
    last = users[-1] if users else -1
    after = messages[last + 1 :]
    names = _names_by_id(after)
    results = [
        (str(message.get("name") or names.get(str(message.get("tool_call_id", ""))) or "the tool"), message["content"])
        for message in after
        if message["role"] == "tool"
    ]
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    question = messages[last]["content"] if users else ""
    return Conversation(system, question, tuple(names.values()), tuple(results))


def _names_by_id(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the calls in `messages`, by id or, where there is none, by position."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return {str(call.get("id", position)): call.get("function", call)["name"] for position, call in enumerate(calls)}
