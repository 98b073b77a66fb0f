"""A call for one reply, which sends a changed request if the first reply is not what was requested. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cf_llama.config.connection import Connection
from cf_llama.protocol import json_values
from cf_llama.protocol.errors import ToolChoiceError, WorkersAIError
from cf_llama.protocol.reply import Delta, Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.response import Reader, ResponseReader
from cf_llama.transport.call import Call


class _FormStillMissingError(WorkersAIError):
    """The model called no tool, and its answer does not have the requested schema yet."""


class ChatCall(Call):
    """A call for one reply, which sends a changed request if the first reply is not what was requested.

    This happens if a forced tool call does not come, and if tools and JSON mode are requested together: the service
    supports one at a time (Cloudflare docs: JSON mode), so the tools are offered first.
    """

    def __init__(self, connection: Connection, request: ChatRequest, *, stream: bool) -> None:
        self._pending_form: ChatRequest | None = None
        if request.tools and request.response_format:
            self._pending_form = replace(request, tools=(), tool_choice=None)
            request = replace(request, response_format=None)
        self._chat_request = request
        self._instructed = False
        self._earlier_usage: Usage | None = None  # of replies that were discarded
        super().__init__(connection, request, stream=stream)

    def finish(self) -> Iterator[Delta]:
        """Process the end of the body; the reply's usage includes that of discarded replies."""
        *deltas, end = super().finish()
        form = self._pending_form
        if end.reply and form and not (end.reply.tool_calls or _has_form(end.reply.text, form)):
            raise _FormStillMissingError("the answer is still to be put into its form", partial=end.reply)
        yield from deltas
        if end.reply and self._earlier_usage:
            billed = end.reply.usage + self._earlier_usage if end.reply.usage else self._earlier_usage
            end = replace(end, reply=replace(end.reply, usage=billed))
        if end.reply and self.admission and self.admission.waited:
            end = replace(end, reply=replace(end.reply, waited=self.admission.waited))
        yield end

    def pause(self) -> float:
        """Seconds to sleep before the next attempt; 0 if a changed request is sent."""
        error = self._error
        if isinstance(error, ToolChoiceError) and not self._instructed:
            self._instructed = True
            return self._ask_again(self._chat_request.with_instruction(), error)
        if isinstance(error, _FormStillMissingError) and self._pending_form:
            form, self._pending_form = self._pending_form, None
            return self._ask_again(form, error)
        return super().pause()

    def _ask_again(self, request: ChatRequest, error: WorkersAIError) -> float:
        self._attempts += 1
        self._request = self._chat_request = request
        usage = error.partial.usage if error.partial else None
        earlier = self._earlier_usage
        self._earlier_usage = usage + earlier if usage and earlier else usage or earlier
        return 0.0

    def _make_reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        return ResponseReader(self._chat_request, status, headers)


def _has_form(text: str, form: ChatRequest) -> bool:
    """Whether a text is already an object of the schema."""
    try:
        value = json_values.parse(text)
    except json_values.InvalidJSON:
        return False
    schema = (form.response_format or {}).get("json_schema", {})
    return isinstance(value, dict) and value.keys() >= set(schema.get("required", ()))
