"""Requests that the model does not answer, and their JSON responses: how batches are submitted and polled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from cf_llama.config.connection import Connection
from cf_llama.protocol import json_values
from cf_llama.protocol.error_responses import error_from, is_error
from cf_llama.protocol.errors import (
    BadResponseError,
    ConnectionFailedError,
    RequestTimeoutError,
    SubmissionInDoubtError,
    WorkersAIError,
)
from cf_llama.protocol.json_values import InvalidJSON
from cf_llama.protocol.reply import Delta
from cf_llama.protocol.response import MAX_BODY_BYTES
from cf_llama.transport.call import Call
from cf_llama.transport.connection_errors import kinds

_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "LocalProtocolError"}
"""Exceptions of the HTTP library after which the service has received nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONRequest:
    """A body to send to a model's queue."""

    model: str
    content: Mapping[str, Any] = field(repr=False)
    repeatable: bool
    """Whether it can be sent twice without harm."""

    def body(self, *, stream: bool) -> dict[str, Any]:
        """The JSON body; these requests do not stream."""
        del stream
        return dict(self.content)


@dataclass(frozen=True, slots=True)
class JSONResponse:
    """A JSON response."""

    status: int
    headers: Mapping[str, str]
    content: Any
    """Parsed JSON, with numbers as `json_values.Lexeme`."""


class JSONReader:
    """Reader of a JSON response of status 200 or 202."""

    delivered = complete = closed = done = False

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        self._body = bytearray()
        self.page = JSONResponse(status, headers, None)

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Take bytes as they come.

        Raises:
            BadResponseError: they are too many.
        """
        self._body += chunk
        if len(self._body) > MAX_BODY_BYTES:
            raise BadResponseError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes", status=self._status)
        return iter(())

    def finish(self) -> Iterator[Delta]:
        """The body has ended.

        Raises:
            WorkersAIError: it reports a failure, or is no JSON.
        """
        body = bytes(self._body)
        try:
            content = json_values.parse_exactly(body)
        except InvalidJSON:
            unread = error_from(self._status, self._headers, body)
            raise BadResponseError(f"the answer cannot be read: {unread.message}", **unread.details()) from None
        if is_error(content):
            raise error_from(self._status, self._headers, body)
        self.page = JSONResponse(self._status, self._headers, content)
        return iter(())


class JSONCall(Call):
    """A call that never sends a request again if the service may have accepted it and it must not be repeated."""

    query = "?queueRequest=true"

    def __init__(self, connection: Connection, request: JSONRequest) -> None:
        self._repeatable = request.repeatable
        self.counts = not request.repeatable  # to ask for results does not count for the rate limit
        self._sent = True
        super().__init__(connection, request)
        self._budgets = ()  # what a batch costs is known when its results come

    @property
    def page(self) -> JSONResponse:
        """The response, after the call has ended."""
        return self._reader.page if isinstance(self._reader, JSONReader) else JSONResponse(0, {}, None)

    def pause(self) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            SubmissionInDoubtError: It is unknown whether the service accepted a request that must not be repeated.
            WorkersAIError: The failure, if there is no further attempt.
        """
        if not self._repeatable and self._sent and self._error and _in_doubt(self._error):
            details = self._error.details() | {"is_retryable": False}
            raise SubmissionInDoubtError(f"the batch may have been taken: {self._error.message}", **details)
        self._sent = True
        return super().pause()

    def _make_reader(self, status: int, headers: Mapping[str, str]) -> JSONReader:
        return JSONReader(status, headers)

    def _translate(self, error: Exception) -> WorkersAIError:
        self._sent = not _NEVER_SENT & kinds(error)
        return super()._translate(error)


def _in_doubt(error: WorkersAIError) -> bool:
    """Whether the service may have accepted the request: no response, or one from something in between."""
    if error.code is not None:
        return False
    if isinstance(error, ConnectionFailedError | RequestTimeoutError | BadResponseError):
        return True
    return error.status is not None and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
