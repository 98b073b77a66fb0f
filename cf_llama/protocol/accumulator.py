"""Turns events into deltas: text as soon as it is certain, tool calls when complete, the reply at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

from cf_llama.protocol import json_schema, json_values, text_tool_calls, tool_arguments
from cf_llama.protocol.errors import BadResponseError, ToolChoiceError
from cf_llama.protocol.payloads import Event, ToolCallFragment
from cf_llama.protocol.reply import Delta, Reply, ResponseMetadata, ToolCall
from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.stop_sequences import TextFilter
from cf_llama.protocol.usage import UsageAccumulator

MAX_CALLS = 1000
"""More do not fit into an answer of 24,000 tokens; each fragment is compared with earlier calls."""


def new_call_id() -> str:
    """Create an id for a call without one."""
    return f"call_{uuid4().hex}"


@dataclass(slots=True)
class _PartialToolCall:
    position: int | None
    id: str
    name: str
    arguments: str

    def is_continued_by(self, fragment: ToolCallFragment) -> bool:
        """Whether a fragment continues this call; a new id, or a whole call after a whole one, starts another."""
        if fragment.position not in {None, self.position or 0}:  # a missing index is 0
            return False
        # the last fragment may repeat the name beside no arguments
        starts_another = bool(fragment.name and fragment.arguments) and _is_json(self.arguments)
        if fragment.id and self.id:  # some calls of one answer share an id
            return fragment.id == self.id and not starts_another
        if not fragment.name:
            return True
        return fragment.position is not None and fragment.name == self.name and not starts_another


class Accumulator:
    """Accumulates the reply to one request."""

    def __init__(
        self, request: ChatRequest, response_metadata: ResponseMetadata, new_id: Callable[[], str] = new_call_id
    ) -> None:
        self._request = request
        self._response_metadata = response_metadata
        self._new_id = new_id
        self._filter = TextFilter(request.stop)
        self._names = request.tool_names if request.tool_choice != "none" and request.can_stream else ()
        self._released: list[str] = []
        self._held: list[str] = []
        # True: hold text to the end; False: show it; None: too short to tell
        self._holds_text: bool | None = True if request.forced_tools else (None if self._names else False)
        self._partial_calls: list[_PartialToolCall] = []
        self._finish_reason = ""
        self._usage = UsageAccumulator()

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence has ended the answer."""
        return self._filter.stopped

    @property
    def is_empty(self) -> bool:
        """Whether there is neither text nor a call yet."""
        return not (self._released or self._held or self._partial_calls)

    def push(self, event: Event) -> tuple[Delta, ...]:
        """Add an event and return the deltas that are certain.

        Raises:
            BadResponseError: there are more calls than an answer can hold.
        """
        if event.usage:
            self._usage.add(event.usage)
        if event.finish_reason:
            self._finish_reason = event.finish_reason
        for fragment in event.fragments:
            self._add_fragment(fragment)
        if event.text and not self.stopped and (text := self._filter.feed(event.text)):
            return self._release(text)
        return ()

    def finish(self) -> Iterator[Delta]:
        """Yield text held back, the calls, and last the reply.

        Raises:
            ToolChoiceError: a call was forced and none of the kind came; `partial` is the reply all the same.
        """
        rest = "".join(self._held) + self._filter.flush()
        calls = [self._call(call.id, call.name, call.arguments) for call in self._partial_calls if call.name]
        if rest and not calls and self._names and (found := text_tool_calls.parse_calls(rest, self._names)):
            calls, rest = [self._call("", call.name, call.arguments) for call in found], ""
        if not self._request.parallel_tool_calls:
            del calls[1:]
        self._held = []
        if rest:
            self._released.append(rest)
        reply = self._reply(_with_unique_ids(calls, self._used_ids(), self._new_id) if calls else ())
        self._check_forced_call(reply)
        if rest:
            yield Delta(text=rest)
        if reply.tool_calls:
            yield Delta(tool_calls=reply.tool_calls)
        yield Delta(reply=reply)

    def partial(self) -> Reply:
        """The partial reply of an interrupted answer, without a finish reason."""
        reply = self._reply(())
        return replace(reply, text=reply.text + self._filter.held, finish_reason="")

    def _release(self, text: str) -> tuple[Delta, ...]:
        if self._holds_text is None:
            self._holds_text = text_tool_calls.may_become_call("".join(self._held) + text, self._names)
        if self._holds_text is not False:
            self._held.append(text)
            return ()
        if self._held:
            text = "".join(self._held) + text
            self._held = []
        self._released.append(text)
        return (Delta(text),)

    def _add_fragment(self, fragment: ToolCallFragment) -> None:
        call = next(
            (call for call in reversed(self._partial_calls) if call.is_continued_by(fragment)),
            None,
        )
        if call is None:
            if len(self._partial_calls) >= MAX_CALLS:
                raise BadResponseError(f"the answer has more than {MAX_CALLS:,} calls of tools", partial=self.partial())
            if fragment.name or fragment.id or fragment.arguments:
                self._partial_calls.append(
                    _PartialToolCall(fragment.position, fragment.id, fragment.name, fragment.arguments)
                )
            return
        call.id = call.id or fragment.id
        call.name = call.name or fragment.name
        call.arguments += fragment.arguments

    def _call(self, call_id: str, name: str, text: str) -> ToolCall:
        offered = (tool for tool in self._request.tools if tool["function"]["name"] == name)
        parameters = next(map(json_schema.declared_parameters, offered), None)
        return tool_arguments.tool_call(call_id, name, text, parameters)

    def _used_ids(self) -> set[str]:
        messages = self._request.messages or ()
        return {str(call.get("id")) for message in messages for call in message.get("tool_calls") or ()}

    def _reply(self, calls: tuple[ToolCall, ...]) -> Reply:
        usage = self._usage.total()
        hit_limit = bool(usage and usage.completion_tokens >= self._request.max_tokens) and not self.stopped
        reason = self._finish_reason or ("length" if hit_limit else "stop")
        if calls and reason == "stop":  # said now and then beside calls
            reason = "tool_calls"
        text = "".join(self._released + self._held)
        return Reply(
            text, calls, "stop" if self.stopped else reason, usage, self._request.model, self._response_metadata
        )

    def _check_forced_call(self, reply: Reply) -> None:
        forced = self._request.forced_tools
        if not forced or any(call.name in forced for call in reply.tool_calls):
            return
        names = " or ".join(forced)
        hint = "; max_tokens was too small for it" if reply.finish_reason == "length" else ""
        raise ToolChoiceError(
            f"tool_choice forced a call of {names}, and the model made none{hint}",
            partial=reply,
            ray_id=self._response_metadata.ray_id,
            request_id=self._response_metadata.request_id,
        )


def _with_unique_ids(calls: list[ToolCall], taken: set[str], new_id: Callable[[], str]) -> tuple[ToolCall, ...]:
    """Keep the service's ids; replace ids that are missing or already used in the conversation."""
    unique: list[ToolCall] = []
    for call in calls:
        call_id = call.id if call.id and call.id not in taken else new_id()
        taken.add(call_id)
        unique.append(ToolCall(call_id, call.name, call.arguments, call.text, call.error))
    return tuple(unique)


def _is_json(text: str) -> bool:
    try:
        json_values.parse(text)
    except json_values.InvalidJSON:
        return False
    return True
