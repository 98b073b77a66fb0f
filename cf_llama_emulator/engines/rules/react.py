"""ReAct by text, as LlamaIndex's agent writes it: tools in the system turn, an action as the answer."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from cf_llama_emulator.engines.rules.conversation import Conversation
from cf_llama_emulator.engines.rules.tools import choose_calls
from cf_llama_emulator.wire.engine_protocol import EngineRequest, Tool

_TOOL = re.compile(r"> Tool Name: (.+)\nTool Description: (.*(?:\n(?!Tool Args:).*)*)\nTool Args: (\{.*\})")
_OBSERVATION = "Observation:"


def react_step(request: EngineRequest, talk: Conversation) -> str | None:
    """Return the next step in ReAct's form, or None where the conversation does not ask for it."""
    if "\nAction Input:" not in talk.system:
        return None
    if talk.last_user.startswith(_OBSERVATION):
        return _answer(f"The result is: {talk.last_user.removeprefix(_OBSERVATION).strip()}")
    calls = choose_calls(replace(request, tools=_tools(talk.system)), talk)
    if not calls:
        return _answer(f"You said: {talk.last_user}")
    arguments = json.dumps(calls[0].arguments, ensure_ascii=False)
    thought = "I need to use a tool to help me answer the question."
    return f"Thought: {thought}\nAction: {calls[0].name}\nAction Input: {arguments}"


def _answer(text: str) -> str:
    return f"Thought: I can answer without using any more tools.\nAnswer: {text}"


def _tools(text: str) -> tuple[Tool, ...]:
    found = []
    for name, description, schema in _TOOL.findall(text):
        try:
            found.append(Tool(name, description, json.loads(schema)))
        except ValueError:
            continue
    return tuple(found)
