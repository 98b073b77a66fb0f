"""State of one call across retries: builds the HTTP request, classifies failures, decides whether to retry. No I/O."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any, Protocol

import pydantic_core

from cf_llama.config.budget import Budget, budgets_of
from cf_llama.config.connection import Connection
from cf_llama.protocol.error_responses import error_from
from cf_llama.protocol.errors import (
    LONGEST_RETRY_AFTER,
    BadResponseError,
    CapacityError,
    RateLimitError,
    RequestTimeoutError,
    WorkersAIError,
)
from cf_llama.protocol.model import CONTEXT_WINDOW, cost
from cf_llama.protocol.reply import Delta, Usage
from cf_llama.protocol.response import ErrorReader, Reader, ResponseReader
from cf_llama.transport.connection_errors import connection_error, kinds
from cf_llama.transport.credentials_memory import credentials_worked, forget_credentials, remember_credentials
from cf_llama.transport.decompression import CODINGS, Decompressor
from cf_llama.transport.limits.admission import Admission
from cf_llama.transport.limits.registry import gate_of
from cf_llama.transport.retry import BURST_CODES, Backoff

_SHORTEST_TIMEOUT = 0.001  # seconds; some are always left, so that the wait itself says what is over
_LONGEST_TIMEOUT = 2_000_000  # seconds, some 23 days: a socket takes no longer wait
_TOTAL_TIMEOUT = "the time for the whole call is over"
_END_OF_STREAM_TIMEOUT = 0.5  # seconds for the end of a stream to follow its [DONE]


class Request(Protocol):
    """What a call sends."""

    @property
    def model(self) -> str:
        """The model's id."""
        ...

    def body(self, *, stream: bool) -> dict[str, Any]:
        """The JSON body."""
        ...


class Call:
    """State of one call, driven by a sync or async transport.

    The transport repeats ``with call.attempt(): send, open, feed …, finish, return``. If that does not return, it
    sleeps for ``call.pause()`` seconds and tries again.
    """

    query = ""
    """Query string of the URL."""
    counts = True
    """Whether the request counts towards the account's rate limit."""

    def __init__(self, connection: Connection, request: Request, *, stream: bool = False) -> None:
        self._connection = connection
        self._request = request
        self._stream = stream
        self._backoff = Backoff(connection.max_retries)
        self._redactor = connection.redactor()
        total = connection.timeouts.total
        self._deadline = inf if total is None else monotonic() + total
        self._attempts = 0
        self._reader: Reader | None = None
        self._decompressor: Decompressor | None = None
        self._end_deadline = inf  # when a complete response that is not closed is given up
        self._error: WorkersAIError | None = None
        self._billed: Usage | None = None  # by the answer of this attempt
        self._is_sent = False
        self._reserved: list[tuple[Budget, float]] = []
        gate = gate_of(connection, request.model) if self.counts else None
        self._budgets = budgets_of(connection.budget)
        self.admission = Admission(gate, self._deadline, connection.rate_limit_wait) if gate else None

    def _make_reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """Create the reader of a successful response."""
        raise NotImplementedError

    def http_request(self, client: Any) -> Any:
        """Build the request with the client's own factory, as classes of httpx and httpx2 do not mix."""
        timeouts, read = self._connection.timeouts, self.read_timeout()
        self._is_sent = True
        return client.build_request(
            "POST",
            self._connection.url(self._request.model) + self.query,
            content=_encoded(self._request.body(stream=self._stream)),
            headers={"accept-encoding": ", ".join(CODINGS), **self._connection.http_headers()},
            # connect, read, write, pool: a tuple means the same to either library
            timeout=(self.remaining(timeouts.connect), read, read, self.remaining(timeouts.read)),
            extensions=self._extensions(),
        )

    def expect_written(self, *, reported: bool) -> None:
        """Whether the client tells when a request is written, as the shared clients do."""
        if self.admission:
            self.admission.is_written_reported = reported

    def _extensions(self) -> dict[str, Callable[..., Any]]:
        """For the shared clients; others leave them alone."""
        extensions: dict[str, Callable[..., Any]] = {"read_timeout": self.read_timeout, "remaining": self.remaining}
        if self.admission:
            extensions["written"] = self.admission.written
        return extensions

    def remaining(self, seconds: float | None) -> float | None:
        """The smaller of a timeout and the time left for the whole call, in seconds; None means no timeout."""
        rest = min(self._deadline, self._end_deadline) - monotonic()
        shorter = min(inf if seconds is None else seconds, max(rest, _SHORTEST_TIMEOUT))
        return None if shorter > _LONGEST_TIMEOUT else shorter

    def read_timeout(self) -> float | None:
        """Timeout in seconds for the next read; None means no timeout."""
        timeouts = self._connection.timeouts
        return self.remaining(timeouts.stall if self._stream else timeouts.read)

    def open(self, response: Any) -> None:
        """Process status and headers of the response."""
        headers = self._redactor.headers(response.headers)  # names in lower case, as both libraries give them
        read = self._make_reader if response.is_success else ErrorReader
        self._reader = read(response.status_code, headers)
        if self.admission and response.is_success:
            self.admission.admitted()
        coding = headers.get("content-encoding", "").strip().lower().removeprefix("x-")  # x-gzip is gzip (RFC 9110)
        packed = not response.is_stream_consumed and coding in CODINGS
        self._decompressor = Decompressor() if packed else None

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Process a chunk of the body.

        Raises:
            WorkersAIError: The body reports a failure, or the total timeout is exceeded.
        """
        for piece in self._decompressor.feed(chunk) if self._decompressor else (chunk,):
            yield from self._opened.feed(piece)
            now = monotonic()
            if self._opened.closed:
                self._end_deadline = min(self._end_deadline, now + _END_OF_STREAM_TIMEOUT)
            if self.done:
                return
            if now > self._deadline:
                raise self._timed_out(_TOTAL_TIMEOUT)

    def finish(self) -> Iterator[Delta]:
        """Process the end of the body; the last delta has the reply.

        Raises:
            WorkersAIError: The response is incomplete, reports a failure, or lacks a forced tool call.
        """
        for delta in self._opened.finish():
            if delta.reply:
                self._billed = delta.reply.usage
            yield delta

    @property
    def done(self) -> bool:
        """Whether the rest of the response is not needed."""
        reader = self._opened
        return reader.done or (reader.complete and monotonic() > min(self._deadline, self._end_deadline))

    @property
    def _opened(self) -> Reader:
        if self._reader is None:
            raise BadResponseError("a response body arrived before its headers")
        return self._reader

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Ignore a connection that breaks after a complete response."""
        try:
            yield
        except Exception as error:
            if not (self._opened.complete and _is_connection_error(error)):
                raise

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run one attempt, and keep its failure for `pause`.

        The failure is not raised here: it would reference the HTTP library's exception, and with it the request and its
        token. Its traceback is dropped, because the frames below hold data from the server.
        """
        self._error, self._reader, self._end_deadline = None, None, inf
        self._billed, self._is_sent = None, False
        try:
            yield
        except WorkersAIError as error:
            self._error = self._redactor.error(error).with_traceback(None)
        except Exception as error:
            if not _is_connection_error(error):
                raise
            self._error = self._redactor.error(self._translate(error))
        else:
            remember_credentials(self._connection)
        finally:
            if self.admission:
                self.admission.end(self._error, answered=self._reader is not None)
            reserved, self._reserved = self._reserved, []
            for budget, worst in reserved:
                budget.settle(worst, self._cost(worst))

    def pause(self) -> float:
        """Seconds to sleep before the next attempt.

        Raises:
            WorkersAIError: The failure, if there is no further attempt.
        """
        if self._error is None:
            raise BadResponseError("the attempt ended without a response or an error")
        if self._waits_for_a_place(self._error):
            return 0.0
        self._attempts += 1
        is_final = self._found_no_place or (self._reader is not None and self._reader.delivered)
        worked = credentials_worked(self._connection)
        pause = None if is_final else self._backoff.pause(self._attempts, self._error, credentials_worked=worked)
        if pause is None and self._error.code in BURST_CODES:
            forget_credentials(self._connection)
        if pause is None or monotonic() + pause > self._deadline:
            try:
                raise self._error
            finally:
                self._error = None  # it must not keep itself alive by this frame
        return pause

    @property
    def _found_no_place(self) -> bool:
        """Whether the gate gave the call up; retrying is then left to the caller."""
        return type(self._error) is RateLimitError and self._error.status is None

    def reserve(self) -> None:
        """Reserve the highest cost of this attempt in every budget of the call.

        Raises:
            BudgetExceededError: The attempt does not fit into one of them.
        """
        worst = self._worst_case() if self._budgets else 0.0
        for budget in self._budgets:
            budget.reserve(worst)
            self._reserved.append((budget, worst))

    def _worst_case(self) -> float:
        """Highest cost of an attempt in US dollars: a token has at least one byte, and answers end at `max_tokens`."""
        body = self._request.body(stream=self._stream)
        return cost(len(_encoded(body)), int(body.get("max_tokens") or CONTEXT_WINDOW))

    def _cost(self, worst: float) -> float:
        """Cost of the attempt in US dollars; the worst case if the service may have billed without reporting usage."""
        partial = self._error.partial if self._error else None
        usage = self._billed or (partial.usage if partial else None)
        if usage:
            return usage.cost
        refused = isinstance(self._reader, ErrorReader) or (self._error is not None and self._reader is None)
        refused = refused or not self._is_sent
        return 0.0 if refused and not isinstance(self._error, RequestTimeoutError) else worst

    def _waits_for_a_place(self, error: WorkersAIError) -> bool:
        """Whether the call goes back to its place in the line, without counting an attempt."""
        if not self.admission or not self._connection.max_retries or not error.is_retryable:
            return False
        if (error.retry_after or 0) > LONGEST_RETRY_AFTER or error.status is None:
            return False
        if isinstance(error, CapacityError):
            return self.admission.others > 0 and error.retry_after is None
        return type(error) is RateLimitError

    def _translate(self, error: Exception) -> WorkersAIError:
        """Convert an exception of httpx or httpx2 by its class name, which both libraries share."""
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(self._reader, ErrorReader):
            return self._reader.error()
        if "TimeoutException" in kinds(error):
            is_total = self._deadline - monotonic() <= _SHORTEST_TIMEOUT
            return self._timed_out(f"{_TOTAL_TIMEOUT if is_total else 'no answer in time'} ({what})")
        if "HTTPStatusError" in kinds(error):
            return self._status_error(error)
        if isinstance(self._reader, ResponseReader) and self._reader.delivered:
            return self._reader.interrupted(f"the stream broke off ({what})")
        if isinstance(error, zlib.error) or "DecodingError" in kinds(error):
            return BadResponseError(f"the answer cannot be unpacked ({what})")
        url = self._connection.url(self._request.model)
        proxy = _proxy_variable(url) if self._connection.binding is None else ""
        return connection_error(error, self._connection.host, proxy)

    def _status_error(self, error: Any) -> WorkersAIError:
        """Convert what `raise_for_status` raises in an event hook of the user's own client."""
        response = error.response
        body = response.content if response.is_stream_consumed else b""
        return error_from(response.status_code, self._redactor.headers(response.headers), body)

    def _timed_out(self, message: str) -> WorkersAIError:
        if isinstance(self._reader, ResponseReader) and self._reader.delivered:
            return self._reader.interrupted(message)
        return RequestTimeoutError(message)


def _proxy_variable(url: str) -> str:
    """Name of the variable that sets a proxy for a URL; empty if there is none. Only used after a failure."""
    import httpx  # noqa: PLC0415 - takes longer to import than all of ours

    from cf_llama.transport.http.connection import Origin  # noqa: PLC0415 - brings httpx as well
    from cf_llama.transport.http.pool import proxy_for, proxy_setting  # noqa: PLC0415 - the same

    parsed = httpx.URL(url)
    origin = Origin(parsed.scheme, parsed.host, parsed.port)
    return proxy_setting(origin) if proxy_for(origin) else ""


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return pydantic_core.to_json(body)
    except (ValueError, pydantic_core.PydanticSerializationError):  # half of a surrogate pair goes out as an escape
        return json.dumps(body).encode()


def _is_connection_error(error: Exception) -> bool:
    """Whether an exception comes from httpx, httpx2 or decompression. A library that is not imported raised nothing."""
    libraries = (sys.modules.get(name) for name in ("httpx", "httpx2"))
    return isinstance(error, zlib.error) or any(
        library and isinstance(error, library.HTTPError) for library in libraries
    )
