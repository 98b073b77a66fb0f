"""httpx transports over one direct HTTP/1.1 connection, opened when first needed and reopened when stale.

They replace httpx's own at a third of the cost, and with a read timeout that can change during the response. Each pair
of classes differs in `async` and `await` only.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

from cf_llama.transport.http.http1 import ResponseParser, request_bytes
from cf_llama.transport.http.sockets import AsyncSocket, Socket

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port of a connection."""

    scheme: str
    host: str
    port: int | None


class SocketTimeouts(NamedTuple):
    """Timeouts of one exchange in seconds, evaluated when each step begins; None means no timeout."""

    connect: Callable[[], float | None]
    write: Callable[[], float | None]
    read_timeout: Callable[[], float | None]
    """For the next read, evaluated each time."""

    @classmethod
    def of(cls, extensions: dict[str, Any]) -> SocketTimeouts:
        """Timeouts from a request's extensions; `read_timeout` and `remaining` are extensions of this package."""
        timeout = extensions.get("timeout") or {}
        connect, read, write = timeout.get("connect"), timeout.get("read"), timeout.get("write")
        remaining = extensions.get("remaining", lambda seconds: seconds)
        return cls(lambda: remaining(connect), lambda: remaining(write), extensions.get("read_timeout", lambda: read))


class HTTPConnection(httpx.BaseTransport):
    """A connection that one thread uses at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: Socket | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return once the response headers have arrived."""
        timeouts, parser = SocketTimeouts.of(request.extensions), ResponseParser()
        try:
            connected = self._connected(timeouts.connect())
            with suppress(httpx.WriteError):  # the server may have responded before reading it all
                connected.send(request_bytes(request), timeouts.write())
            _note_written(request)
            body = b""
            while not parser.status:
                body = _feed(parser, connected.receive(timeouts.read_timeout()))
        except BaseException:
            self.close()
            raise
        return httpx.Response(
            parser.status, headers=parser.headers, stream=ResponseStream(self, parser, body, timeouts)
        )

    def _connected(self, seconds: float | None) -> Socket:
        if self._socket and self._socket.stale:
            self.close()
        if not self._socket:
            self._socket = Socket.connect(self._host, self._port, self._tls, seconds)
        return self._socket

    def receive(self, seconds: float | None) -> bytes:
        """The next bytes of the response; empty at its end."""
        return self._socket.receive(seconds) if self._socket else b""

    def close(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None


class AsyncHTTPConnection(httpx.AsyncBaseTransport):
    """A connection that one task uses at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: AsyncSocket | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return once the response headers have arrived."""
        timeouts, parser = SocketTimeouts.of(request.extensions), ResponseParser()
        try:
            connected = await self._connected(timeouts.connect())
            with suppress(httpx.WriteError):  # the server may have responded before reading it all
                await connected.send(request_bytes(request), timeouts.write())
            _note_written(request)
            body = b""
            while not parser.status:
                body = _feed(parser, await connected.receive(timeouts.read_timeout()))
        except BaseException:
            await self.aclose()
            raise
        return httpx.Response(
            parser.status, headers=parser.headers, stream=AsyncResponseStream(self, parser, body, timeouts)
        )

    async def _connected(self, seconds: float | None) -> AsyncSocket:
        if self._socket and self._socket.stale:
            await self.aclose()
        if not self._socket:
            self._socket = await AsyncSocket.connect(self._host, self._port, self._tls, seconds)
        return self._socket

    async def receive(self, seconds: float | None) -> bytes:
        """The next bytes of the response; empty at its end."""
        return await self._socket.receive(seconds) if self._socket else b""

    async def aclose(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None


class ResponseStream(httpx.SyncByteStream):
    """The response body. A connection whose response was not read to its end is closed."""

    def __init__(
        self, connection: HTTPConnection, parser: ResponseParser, started: bytes, timeouts: SocketTimeouts
    ) -> None:
        self._connection, self._parser, self._started, self._timeouts = connection, parser, started, timeouts

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next bytes of the body, without chunk framing."""
        body, self._started = self._started, b""
        while not body:
            if self._parser.ended:
                raise StopIteration
            body = _feed(self._parser, self._connection.receive(self._timeouts.read_timeout()))
        return body

    def close(self) -> None:
        """Release the connection."""
        if not self._parser.reusable:
            self._connection.close()


class AsyncResponseStream(httpx.AsyncByteStream):
    """The response body. A connection whose response was not read to its end is closed."""

    def __init__(
        self, connection: AsyncHTTPConnection, parser: ResponseParser, started: bytes, timeouts: SocketTimeouts
    ) -> None:
        self._connection, self._parser, self._started, self._timeouts = connection, parser, started, timeouts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body, without chunk framing."""
        body, self._started = self._started, b""
        while not body:
            if self._parser.ended:
                raise StopAsyncIteration
            body = _feed(self._parser, await self._connection.receive(self._timeouts.read_timeout()))
        return body

    async def aclose(self) -> None:
        """Release the connection."""
        if not self._parser.reusable:
            await self._connection.aclose()


def _note_written(request: httpx.Request) -> None:
    """Tell the sender that the request was written; `written` is an extension of this package."""
    if note := request.extensions.get("written"):
        note()


def _feed(parser: ResponseParser, data: bytes) -> bytes:
    if data:
        return parser.feed(data)
    parser.close()
    return b""
