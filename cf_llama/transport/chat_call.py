"""A call for one answer, and again in other words where the first is not yet what was asked for. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cf_llama.config.connection import Connection
from cf_llama.protocol import json_values
from cf_llama.protocol.errors import ToolChoiceError, WorkersAIError
from cf_llama.protocol.reply import Delta, Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.response import Reader, Reading
from cf_llama.transport.call import Attempts


class _FormStillDueError(WorkersAIError):
    """No tool was needed, and the answer is still to be put into the form that was asked for."""


class Call(Attempts):
    """A call that asks for one answer, and again in other words where the first is not yet what was asked for.

    That is so where a forced call of a tool did not come, and where tools and JSON mode are asked for together: the
    service is to do one of them at a time (Cloudflare docs: JSON mode), so the tools are offered first.
    """

    def __init__(self, connection: Connection, request: ChatRequest, *, stream: bool) -> None:
        self._form: ChatRequest | None = None
        if request.tools and request.response_format:
            self._form = replace(request, tools=(), tool_choice=None)
            request = replace(request, response_format=None)
        self._request = request
        self._insisted = False
        self._spent: Usage | None = None  # by answers that were not taken
        super().__init__(connection, request, stream=stream)

    def finish(self) -> Iterator[Delta]:
        """The body has ended; the last delta has the reply, billed with what went before it."""
        *deltas, end = super().finish()
        if end.reply and self._form and not (end.reply.tool_calls or _has_form(end.reply.text, self._form)):
            raise _FormStillDueError("the answer is still to be put into its form", partial=end.reply)
        yield from deltas
        if end.reply and self._spent:
            billed = end.reply.usage + self._spent if end.reply.usage else self._spent
            end = replace(end, reply=replace(end.reply, usage=billed))
        yield end

    def pause(self) -> float:
        """Seconds to wait before the next attempt; none where the same is asked in other words."""
        error = self._error
        if isinstance(error, ToolChoiceError) and not self._insisted:
            self._insisted = True
            return self._ask_again(self._request.insisting(), error)
        if isinstance(error, _FormStillDueError) and self._form:
            form, self._form = self._form, None
            return self._ask_again(form, error)
        return super().pause()

    def _ask_again(self, request: ChatRequest, error: WorkersAIError) -> float:
        self._attempts += 1
        self._question = self._request = request
        usage = error.partial.usage if error.partial else None
        self._spent = usage + self._spent if usage and self._spent else usage or self._spent
        return 0.0

    def _reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        return Reading(self._request, status, headers)


def _has_form(text: str, form: ChatRequest) -> bool:
    """Whether a text happens to be an object of the form already."""
    try:
        value = json_values.parse(text)
    except json_values.BadJSON:
        return False
    schema = (form.response_format or {}).get("json_schema", {})
    return isinstance(value, dict) and value.keys() >= set(schema.get("required", ()))
