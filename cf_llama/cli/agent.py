"""Answers the messages of a chat: streams replies, runs the tools they call, and says what both cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from textwrap import indent

from cf_llama.cli import terminal
from cf_llama.cli.client import Client
from cf_llama.cli.conversation import Conversation
from cf_llama.cli.tool_file import Tools
from cf_llama.config.settings import Settings
from cf_llama.protocol import json_values
from cf_llama.protocol.errors import ContextOverflowError, WorkersAIError
from cf_llama.protocol.reply import Delta, Reply, ToolCall, Usage
from cf_llama.protocol.request import ChatRequest

_MOST_ROUNDS = 20
"""Requests for one message, so that a model that calls tools without end costs little."""
_LONGEST_SHOWN = 500  # characters of arguments and results
_STOPPED = "Error: stopped by the user"


class Agent:
    """The model's side of a chat.

    Args:
        client: Sends the requests.
        settings: How they are to be answered.
        tools: What the model may call.
        conversation: The messages so far.
    """

    def __init__(self, client: Client, settings: Settings, tools: Tools, conversation: Conversation) -> None:
        self.conversation = conversation
        self.tools = tools
        self._client, self._settings = client, settings
        self._text = ""  # of the reply that is under way

    def answer(self, message: str) -> None:
        """Answer a message of the user; a failure, or Ctrl-C, ends the answer and not the chat."""
        before, self._text = self.conversation.usage, ""
        self.conversation.add_user(message)
        try:
            self._run_rounds()
        except KeyboardInterrupt:
            self.conversation.give_up(self._text)
            terminal.warn("stopped; its cost is not known" if self._text else "stopped")
        except WorkersAIError as error:
            self.conversation.give_up(self._text, error.partial.usage if error.partial else None)
            advice = " /reset begins a new conversation." if isinstance(error, ContextOverflowError) else ""
            terminal.warn(f"{error}{advice}")
        if self.conversation.usage != before:
            terminal.say(_cost_text(before, self.conversation.usage))

    def _run_rounds(self) -> None:
        for _ in range(_MOST_ROUNDS):
            reply = self._ask()
            self._text = ""
            self.conversation.add_reply(reply)
            if reply.finish_reason == "length":
                terminal.warn("the answer is cut at --max-tokens")
            if not reply.tool_calls:
                return
            self._run_tools(reply.tool_calls)
        terminal.warn(f"stopped after {_MOST_ROUNDS} rounds of tool calls; send a message to go on")

    def _ask(self) -> Reply:
        request = ChatRequest(
            messages=self.conversation.messages,
            tools=[tool.definition for tool in self.tools.values()],
            **self._settings.request_fields(),
        )
        with closing(self._client.stream(request)) as deltas:
            return terminal.write_stream(self._noted(deltas))

    def _noted(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            self._text += delta.text
            yield delta

    def _run_tools(self, calls: Iterable[ToolCall]) -> None:
        """Run all calls; those that Ctrl-C leaves out get a result too, as the service wants one for each."""
        is_stopped = False
        for call in calls:
            terminal.say(_shortened(f"{call.name}({_arguments_text(call)})"))
            try:
                content, failed = (_STOPPED, True) if is_stopped else self.tools.run(call)
            except KeyboardInterrupt:
                is_stopped, content, failed = True, _STOPPED, True
            self.conversation.add_result(call, content)
            (terminal.warn if failed else terminal.say)(indent(_shortened(content), "  "))
        if is_stopped:
            raise KeyboardInterrupt


def _arguments_text(call: ToolCall) -> str:
    if call.error:
        return call.text
    return ", ".join(f"{name}={json_values.dumps(value)}" for name, value in call.arguments.items())


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text):,} characters)"


def _cost_text(before: Usage, after: Usage) -> str:
    """What an answer cost, and the conversation so far."""
    sent, received = after.prompt_tokens - before.prompt_tokens, after.completion_tokens - before.completion_tokens
    return f"{sent:,} + {received:,} tokens, ${after.cost - before.cost:.6f}; ${after.cost:.6f} in all"
