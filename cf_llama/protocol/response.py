"""Reads responses incrementally: bytes in, deltas out, for whole and streamed responses.

The first bytes show which of the two it is. The request does not: some requests for a stream are answered whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from cf_llama.protocol import payloads
from cf_llama.protocol.accumulator import Accumulator
from cf_llama.protocol.error_responses import error_from, is_error
from cf_llama.protocol.errors import BadResponseError, StreamInterruptedError, WorkersAIError
from cf_llama.protocol.json_values import InvalidJSON
from cf_llama.protocol.reply import Delta
from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.sse import EventDecoder

MAX_ERROR_BYTES = 1024 * 1024
"""Maximum size of an error response that is read."""
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Larger than any response of 24,000 tokens, whole or streamed."""
_BOM = b"\xef\xbb\xbf"
_STREAM_STARTS = (b":", b"data:", b"id:", b"event:", b"retry:")  # a comment, or a field

_log = logging.getLogger(__name__)
_Input = TypeVar("_Input")
_Read = TypeVar("_Read")


class Reader(Protocol):
    """Interface of a response reader."""

    @property
    def delivered(self) -> bool:
        """Whether the caller has received a delta; then the request must not be retried."""
        ...

    @property
    def done(self) -> bool:
        """Whether the rest of the body is not needed."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the response would be complete if the body ended here."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the service has marked the end of the response."""
        ...

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Process a chunk of the body."""
        ...

    def finish(self) -> Iterator[Delta]:
        """Process the end of the body."""
        ...


class ResponseReader:
    """Reader of a successful response."""

    def __init__(self, request: ChatRequest, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        self._accumulator = Accumulator(request, payloads.response_metadata(headers))
        self._whole: list[bytes] = []  # the body, as long as it is none of a stream
        self._size = 0
        self._decoder: EventDecoder | None = None
        self._sniffed = False
        self._ended = False  # the answer is complete
        self._has_read: bool | None = None  # False: all events so far are of another service
        self.closed = False
        """Whether the service has sent [DONE]."""
        self.delivered = False
        """Whether the caller has received a delta; then the request must not be retried."""

    @property
    def done(self) -> bool:
        """Whether the rest of the body is not needed."""
        return self._accumulator.stopped

    @property
    def complete(self) -> bool:
        """Whether the response would be complete if the body ended here."""
        return self._ended or self.done

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Process a chunk of the body.

        Raises:
            WorkersAIError: The service reports a failure.
        """
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            raise self._bad_response(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
        if self._decoder is None:
            chunk = self._sniff(chunk)
        if self._decoder is not None:
            for data in self._read(self._decoder.feed, chunk):
                yield from self._event(data)

    def finish(self) -> Iterator[Delta]:
        """Process the end of the body.

        Raises:
            StreamInterruptedError: The stream ended before the answer did.
            WorkersAIError: The body reports a failure, is not a reply, or lacks a forced tool call.
        """
        if self._decoder is None:
            yield from self._read_body(b"".join(self._whole))
        else:
            if not self.done and (data := self._decoder.flush()) is not None:
                yield from self._event(data)
            if not self.complete:
                raise self.interrupted("the stream ended before the answer did")
            if self._has_read is False:
                raise self._bad_response("the answer cannot be read: no event of the stream is of a known form")
        for delta in self._accumulator.finish():
            self.delivered = True
            yield delta

    def interrupted(self, message: str) -> StreamInterruptedError:
        """The error of an interrupted response, with the partial reply."""
        partial = self._accumulator.partial()
        metadata = partial.response_metadata
        return StreamInterruptedError(
            message,
            status=self._status,
            ray_id=metadata.ray_id,
            request_id=metadata.request_id,
            is_retryable=self._accumulator.is_empty,
            partial=partial,
        )

    def _sniff(self, chunk: bytes) -> bytes:
        """Buffer bytes until the first non-blank ones show the kind of body; return them if it is a stream."""
        self._whole.append(chunk)
        if self._sniffed:
            return b""
        body = b"".join(self._whole).removeprefix(_BOM).lstrip()
        self._whole = [body]
        start = body[: len("retry:")]
        is_stream = start.startswith(_STREAM_STARTS)
        self._sniffed = is_stream or not any(known.startswith(start) for known in (_BOM, *_STREAM_STARTS))
        if not is_stream:
            return b""
        self._decoder, self._whole = EventDecoder(), []
        return body

    def _read(self, parser: Callable[[_Input], _Read], data: _Input) -> _Read:
        """What a parser reads; what it cannot read ends the answer, so that nothing is left out."""
        try:
            return parser(data)
        except BadResponseError as error:
            raise self._bad_response(error.message) from None

    def _bad_response(self, message: str) -> WorkersAIError:
        if not self._accumulator.is_empty:
            return self.interrupted(message)
        metadata = payloads.response_metadata(self._headers)
        return BadResponseError(message, status=self._status, ray_id=metadata.ray_id, request_id=metadata.request_id)

    def _event(self, data: bytes) -> Iterator[Delta]:
        for payload in self._payloads(data):
            if not self.done:  # what comes after a stop sequence counts neither in this read nor in the next
                yield from self._deltas(payload, data)

    def _payloads(self, data: bytes) -> list[Any]:
        if self.closed:
            return []
        data = data.strip()
        if data.endswith(b"[DONE]"):  # alone, or at the end of events that no blank lines part
            rest = data.removesuffix(b"[DONE]").strip()
            if not rest or data.endswith(b"\n[DONE]"):
                self._ended = self.closed = True
                data = rest
        try:
            return self._read(payloads.parse_payloads, data) if data else []
        except InvalidJSON:
            if payloads.may_hold_text(data):
                raise self.interrupted("the stream has an event that cannot be read") from None
            _log.warning("skipped an event of %d bytes that is no JSON", len(data))
            return []

    def _deltas(self, payload: object, data: bytes) -> Sequence[Delta]:
        if is_error(payload):
            raise self._failure(data)
        event = self._read(payloads.read_event, payload)
        self._has_read = self._has_read or event is not None
        if event is None:
            if payload and not isinstance(payload, dict):  # an object may be of an unknown kind, such as a ping
                raise self._bad_response("the answer cannot be read: an event is of an unknown type")
            return ()
        if event.finish_reason or (event.ends_stream and not self._accumulator.is_empty):
            self._ended = True
        return self._push(event)

    def _push(self, event: payloads.Event) -> Sequence[Delta]:
        deltas = self._accumulator.push(event)
        self.delivered = self.delivered or bool(deltas)
        return deltas

    def _read_body(self, body: bytes) -> Iterator[Delta]:
        try:
            bodies = self._read(payloads.parse_payloads, body)
        except InvalidJSON:
            bodies = []
        for payload in bodies:
            if is_error(payload):
                raise error_from(self._status, self._headers, body)
            if (event := self._read(payloads.read_event, payload)) is not None:
                yield from self._push(event)
            elif len(bodies) == 1:
                bodies = []
        if not bodies:
            unread = error_from(self._status, self._headers, body)
            what = f"the answer cannot be read: {unread.message}" if body else "the answer is empty"
            raise BadResponseError(what, **unread.details() | {"is_retryable": not body})

    def _failure(self, data: bytes) -> Exception:
        error = error_from(self._status, self._headers, data)
        if self._accumulator.is_empty:
            return error
        details = {**error.details(), "partial": self._accumulator.partial(), "is_retryable": False}
        return StreamInterruptedError(f"the stream broke off: {error.message}", **details)


class ErrorReader:
    """Reader of an error response."""

    delivered = complete = closed = False

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        self._body = bytearray()

    @property
    def done(self) -> bool:
        """Whether enough of the error page has been read."""
        return len(self._body) > MAX_ERROR_BYTES

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Process a chunk of the body."""
        self._body += chunk
        return iter(())

    def finish(self) -> Iterator[Delta]:
        """Process the end of the body.

        Raises:
            WorkersAIError: Always.
        """
        raise self.error()

    def error(self) -> WorkersAIError:
        """The error that the page reports."""
        return error_from(self._status, self._headers, bytes(self._body))
