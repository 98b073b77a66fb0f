"""A conversation with the model: its messages and what it has cost. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cf_llama.protocol import json_values
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.reply import Reply, ToolCall, Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.tool_arguments import object_of

Message = dict[str, Any]


@dataclass(slots=True)
class Conversation:
    """The messages so far, in the form of `ChatRequest.messages`."""

    system: str = ""
    turns: list[Message] = field(default_factory=list)
    """All messages but the system message."""
    usage: Usage = field(default_factory=Usage)
    """Usage of all replies so far, also of those before a reset."""
    replies: int = 0

    @property
    def messages(self) -> list[Message]:
        """The messages of a request."""
        return [*([{"role": "system", "content": self.system}] if self.system else []), *self.turns]

    def add_user(self, text: str) -> None:
        """Add a message of the user."""
        self.turns.append({"role": "user", "content": text})

    def add_reply(self, reply: Reply) -> None:
        """Add a reply of the model, and its usage."""
        message: Message = {"role": "assistant", "content": reply.text}
        if reply.tool_calls:
            message["tool_calls"] = [_call_to_wire(call) for call in reply.tool_calls]
        self.turns.append(message)
        self.usage += reply.usage or Usage()
        self.replies += 1

    def add_result(self, call: ToolCall, content: str) -> None:
        """Add the result of a tool call."""
        self.turns.append({"role": "tool", "tool_call_id": call.id, "content": content})

    def give_up(self, partial: str, usage: Usage | None = None) -> None:
        """Keep text and usage of a reply that did not end; without text, take the user's message back."""
        self.usage += usage or Usage()
        if partial:
            self.turns.append({"role": "assistant", "content": partial})
        elif self.turns and self.turns[-1]["role"] == "user":
            self.turns.pop()

    def reset(self) -> None:
        """Forget all messages but the system message."""
        self.turns.clear()

    def dumps(self) -> str:
        """The conversation as JSON text."""
        return json_values.dumps({"messages": self.messages}) + "\n"

    def loads(self, text: str) -> None:
        """Continue a conversation of `dumps`, or a JSON list of messages.

        Raises:
            ValueError: it is none; the message says why.
        """
        try:
            content = json.loads(text)
            messages = content["messages"] if isinstance(content, dict) else content
            ChatRequest(messages=messages)
        except (ValueError, KeyError, InvalidRequestError) as error:
            reason = "it has no messages" if isinstance(error, KeyError) else error
            raise ValueError(f"it is no conversation: {reason}") from None
        has_system = messages[0]["role"] == "system"
        self.system = messages[0]["content"] if has_system else ""
        self.turns = messages[1:] if has_system else messages


def _call_to_wire(call: ToolCall) -> Message:
    text = json_values.dumps(object_of(call.text)) if call.error else call.text  # the service refuses what is no JSON
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}
