"""httpx transports of one HTTP/1.1 connection straight to a host: made when first needed, and again when it is stale.

They do what httpx's own do, for a third of the price and with a time to wait that may change while the answer comes.
Each pair differs in `async` and `await` and in nothing else.
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
    """What connections are good for."""

    scheme: str
    host: str
    port: int | None


class SocketTimeouts(NamedTuple):
    """Seconds to wait for each step of one exchange, asked when it begins; None waits for ever."""

    connect: Callable[[], float | None]
    write: Callable[[], float | None]
    read_timeout: Callable[[], float | None]
    """For the next bytes of the answer, asked each time."""

    @classmethod
    def of(cls, extensions: dict[str, Any]) -> SocketTimeouts:
        """Those that httpx passes along with a request; `read_timeout` and `remaining` are extensions of our own."""
        timeout = extensions.get("timeout") or {}
        connect, read, write = timeout.get("connect"), timeout.get("read"), timeout.get("write")
        remaining = extensions.get("remaining", lambda seconds: seconds)
        return cls(lambda: remaining(connect), lambda: remaining(write), extensions.get("read_timeout", lambda: read))


class HTTPConnection(httpx.BaseTransport):
    """A connection for one thread at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: Socket | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return when the head of its answer has come."""
        timeouts, parser = SocketTimeouts.of(request.extensions), ResponseParser()
        try:
            connected = self._connected(timeouts.connect())
            with suppress(httpx.WriteError):  # it may have refused the request, and said so, before it was all sent
                connected.send(request_bytes(request), timeouts.write())
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
        """The next bytes of the answer; nothing at its end."""
        return self._socket.receive(seconds) if self._socket else b""

    def close(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None


class AsyncHTTPConnection(httpx.AsyncBaseTransport):
    """A connection for one task at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: AsyncSocket | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return when the head of its answer has come."""
        timeouts, parser = SocketTimeouts.of(request.extensions), ResponseParser()
        try:
            connected = await self._connected(timeouts.connect())
            with suppress(httpx.WriteError):  # it may have refused the request, and said so, before it was all sent
                await connected.send(request_bytes(request), timeouts.write())
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
        """The next bytes of the answer; nothing at its end."""
        return await self._socket.receive(seconds) if self._socket else b""

    async def aclose(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None


class ResponseStream(httpx.SyncByteStream):
    """The body of an answer as it comes. A connection whose answer was not read to its end is not used again."""

    def __init__(
        self, connection: HTTPConnection, parser: ResponseParser, started: bytes, timeouts: SocketTimeouts
    ) -> None:
        self._connection, self._parser, self._started, self._timeouts = connection, parser, started, timeouts

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next bytes as they come, chunks of HTTP put together."""
        body, self._started = self._started, b""
        while not body:
            if self._parser.ended:
                raise StopIteration
            body = _feed(self._parser, self._connection.receive(self._timeouts.read_timeout()))
        return body

    def close(self) -> None:
        """The body is read, or of no use any more."""
        if not self._parser.reusable:
            self._connection.close()


class AsyncResponseStream(httpx.AsyncByteStream):
    """The body of an answer as it comes. A connection whose answer was not read to its end is not used again."""

    def __init__(
        self, connection: AsyncHTTPConnection, parser: ResponseParser, started: bytes, timeouts: SocketTimeouts
    ) -> None:
        self._connection, self._parser, self._started, self._timeouts = connection, parser, started, timeouts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes as they come, chunks of HTTP put together."""
        body, self._started = self._started, b""
        while not body:
            if self._parser.ended:
                raise StopAsyncIteration
            body = _feed(self._parser, await self._connection.receive(self._timeouts.read_timeout()))
        return body

    async def aclose(self) -> None:
        """The body is read, or of no use any more."""
        if not self._parser.reusable:
            await self._connection.aclose()


def _feed(parser: ResponseParser, data: bytes) -> bytes:
    if data:
        return parser.feed(data)
    parser.close()
    return b""
