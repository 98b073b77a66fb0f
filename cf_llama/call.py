"""One call across its attempts: what to send, what a failure means, and whether to try again. No I/O."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pydantic_core

from cf_llama.connection import Connection
from cf_llama.errors import (
    BadResponseError,
    ConnectionFailedError,
    InvalidRequestError,
    RequestTimeoutError,
    ToolChoiceError,
    WorkersAIError,
)
from cf_llama.reading import Reading
from cf_llama.refusal import error_from
from cf_llama.reply import Reply
from cf_llama.request import ChatRequest
from cf_llama.retry import Backoff


class Call:
    """The state of one call, driven by a transport in either colour.

    A driver loops over ``with call.attempt(): send, read, return`` and, when that did not return, waits for
    ``call.pause()`` seconds.
    """

    def __init__(self, connection: Connection, request: ChatRequest, *, stream: bool) -> None:
        self._connection = connection
        self._request = request
        self._stream = stream
        self._backoff = Backoff(connection.max_retries)
        self._attempts = 0
        self._insisted = False
        self._reading: Reading | None = None
        self._error: WorkersAIError | None = None

    def http_request(self, client: Any) -> Any:
        """The request, made by the client's own factory: it may be httpx's or httpx2's, whose classes do not mix."""
        timeouts = self._connection.timeouts
        read = timeouts.stall if self._stream else timeouts.read
        return client.build_request(
            "POST",
            self._connection.url(self._request.model),
            content=_encoded(self._request.body(stream=self._stream)),
            headers=self._connection.http_headers(),
            timeout=(timeouts.connect, read, read, timeouts.read),  # connect, read, write, pool: in either library
        )

    def reading(self, response: Any) -> Reading:
        """The reader for an answer.

        Raises:
            WorkersAIError: the status is not 2xx; the body must have been read by then.
        """
        if not response.is_success:
            raise error_from(response.status_code, httpx.Headers(response.headers.multi_items()), response.content)
        self._reading = Reading(self._request, response.status_code, httpx.Headers(response.headers.multi_items()))
        return self._reading

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Try once. A failure is kept for `pause` to judge, outside of here.

        It is not raised from within, as the exception would then carry the HTTP library's own, and with it the
        request and its token.
        """
        self._error, self._reading = None, None
        try:
            yield
        except WorkersAIError as error:
            self._error = error
        except httpx.HTTPError as error:
            self._error = self._translated(error)
        except Exception as error:
            if not _is_httpx2(error):
                raise
            self._error = self._translated(error)

    def pause(self) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            WorkersAIError: there is to be none.
        """
        error = self._error
        if error is None:
            raise BadResponseError("the attempt ended with neither an answer nor an error")
        self._attempts += 1
        if isinstance(error, ToolChoiceError) and not self._insisted:
            self._insisted, self._request = True, self._request.insisting()
            return 0.0
        delivered = self._reading is not None and self._reading.delivered
        pause = None if delivered else self._backoff.pause(self._attempts, error)
        if pause is None:
            self._error = None
            raise error
        return pause

    def _translated(self, error: Exception) -> WorkersAIError:
        """The HTTP library's error as ours, by the name of its kind, which httpx and httpx2 share."""
        kinds = {kind.__name__ for kind in type(error).__mro__}
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self._reading is not None and self._reading.delivered:
            return self._reading.interrupted(f"the stream broke off ({what})")
        if "TimeoutException" in kinds:
            return RequestTimeoutError(f"no answer in time ({what})")
        if "DecodingError" in kinds:
            return BadResponseError(f"the answer cannot be decoded ({what})")
        if kinds & {"UnsupportedProtocol", "LocalProtocolError"}:
            return InvalidRequestError(what)
        return ConnectionFailedError(f"the connection failed ({what})")


def last(reading: Reading, body: bytes) -> Reply:
    """The reply to a body that has come whole."""
    *_, delta = [*reading.feed(body), *reading.finish()]
    if delta.reply is None:  # never: the last delta of an assembly has it
        raise BadResponseError("the answer has no end")
    return delta.reply


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return pydantic_core.to_json(body)
    except (ValueError, pydantic_core.PydanticSerializationError):  # half of a surrogate pair goes out as an escape
        return json.dumps(body).encode()


def _is_httpx2(error: Exception) -> bool:
    httpx2 = sys.modules.get("httpx2")
    return httpx2 is not None and isinstance(error, httpx2.HTTPError)
