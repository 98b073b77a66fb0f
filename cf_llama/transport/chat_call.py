"""A call for one answer, and again in other words where the first is not yet what was asked for. No I/O."""

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
    """No tool was needed, and the answer is still to be put into the form that was asked for."""


class ChatCall(Call):
    """A call that asks for one answer, and again in other words where the first is not yet what was asked for.

    That is so where a forced call of a tool did not come, and where tools and JSON mode are asked for together: the
    service is to do one of them at a time (Cloudflare docs: JSON mode), so the tools are offered first.
    """

    def __init__(self, connection: Connection, request: ChatRequest, *, stream: bool) -> None:
        self._pending_form: ChatRequest | None = None
        if request.tools and request.response_format:
            self._pending_form = replace(request, tools=(), tool_choice=None)
            request = replace(request, response_format=None)
        self._chat_request = request
        self._instructed = False
        self._earlier_usage: Usage | None = None  # by answers that were not taken
        super().__init__(connection, request, stream=stream)

    def finish(self) -> Iterator[Delta]:
        """The body has ended; the last delta has the reply, billed with what went before it."""
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
        """Seconds to wait before the next attempt; none where the same is asked in other words."""
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
    """Whether a text happens to be an object of the form already."""
    try:
        value = json_values.parse(text)
    except json_values.InvalidJSON:
        return False
    schema = (form.response_format or {}).get("json_schema", {})
    return isinstance(value, dict) and value.keys() >= set(schema.get("required", ()))
