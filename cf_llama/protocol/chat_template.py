"""The Llama 3.3 chat template: wire messages as the one text that the model itself reads.

For raw prompts, and wherever the service takes a prompt but no messages. It follows the template that Meta publishes
with the tokenizer of Llama 3.3 Instruct. Whether the service renders `messages` the same way is not published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from cf_llama.protocol import json_values
from cf_llama.protocol.errors import InvalidRequestError

DATE = "26 Jul 2024"
"""The date that the published template uses by default; written `%d %b %Y`."""

_KNOWLEDGE = "Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n"
_FORMAT = (
    'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.'
    "Do not use variables.\n\n"
)
_TOOLS_FOR_USER = (
    "Given the following functions, please respond with a JSON for a function call with its proper arguments "
    "that best answers the given prompt.\n\n"
)


def render(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    date: str = DATE,
    begin_of_text: bool = True,
) -> str:
    """The prompt that asks for the next assistant turn.

    A turn that calls several tools is written as several turns of one call: the template knows no other form.

    Args:
        messages: As in `ChatRequest.messages`. Only the first can be the system message of the template.
        tools: Definitions in the form of `json_schema.tool_definition`; they go into the first user turn.
        date: Today, as the model is to believe.
        begin_of_text: Whether to start with `<|begin_of_text|>`; leave it out where the server adds it.

    Raises:
        InvalidRequestError: there are tools but no user turn to put them into, or a tool call has no name.
    """
    rest = list(messages)
    system = rest.pop(0)["content"].strip() if rest and rest[0]["role"] == "system" else ""
    environment = "Environment: ipython\n" if tools else ""
    parts = [_turn("system", environment + _KNOWLEDGE.format(date=date) + system)]
    if tools:
        if not rest or rest[0]["role"] != "user":
            raise InvalidRequestError(
                "messages: with tools, the first turn after the system message must be the user's"
            )
        parts.append(_turn("user", _offer(tools) + rest.pop(0)["content"].strip()))
    parts += [_rendered(message) for message in rest]
    return ("<|begin_of_text|>" if begin_of_text else "") + "".join(parts) + _header("assistant")


def _rendered(message: Mapping[str, Any]) -> str:
    if message["role"] == "tool":
        return _turn("ipython", message["content"])
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    text = message["content"].strip()
    turn = _turn(message["role"], text) if text or not calls else ""
    return turn + "".join(_turn("assistant", _call(call)) for call in calls)


def _call(function: Mapping[str, Any]) -> str:
    if not isinstance(name := function.get("name"), str):
        raise InvalidRequestError("messages: a tool call must have a name")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        with suppress(json_values.InvalidJSON):  # then the model reads the text that it wrote
            arguments = json_values.parse_exactly(arguments)
    return json_values.dumps_exactly({"name": name, "parameters": arguments})


def _offer(tools: Sequence[Mapping[str, Any]]) -> str:
    listed = "".join(json.dumps(tool, indent=4, ensure_ascii=False) + "\n\n" for tool in tools)
    return _TOOLS_FOR_USER + _FORMAT + listed


def _turn(role: str, content: str) -> str:
    return f"{_header(role)}{content}<|eot_id|>"


def _header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"
