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


class Waits(NamedTuple):
    """Seconds to wait for each step of one exchange, asked when it begins; None waits for ever."""

    connect: Callable[[], float | None]
    write: Callable[[], float | None]
    patience: Callable[[], float | None]
    """For the next bytes of the answer, asked each time."""

    @classmethod
    def of(cls, extensions: dict[str, Any]) -> Waits:
        """Those that httpx passes along with a request; `patience` and `within` are extensions of our own."""
        timeout = extensions.get("timeout") or {}
        connect, read, write = timeout.get("connect"), timeout.get("read"), timeout.get("write")
        within = extensions.get("within", lambda seconds: seconds)
        return cls(lambda: within(connect), lambda: within(write), extensions.get("patience", lambda: read))


class Direct(httpx.BaseTransport):
    """A connection for one thread at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: Socket | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return when the head of its answer has come."""
        waits, answer = Waits.of(request.extensions), ResponseParser()
        try:
            connected = self._connected(waits.connect())
            with suppress(httpx.WriteError):  # it may have refused the request, and said so, before it was all sent
                connected.send(request_bytes(request), waits.write())
            body = b""
            while not answer.status:
                body = _fed(answer, connected.receive(waits.patience()))
        except BaseException:
            self.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=Body(self, answer, body, waits))

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


class AsyncDirect(httpx.AsyncBaseTransport):
    """A connection for one task at a time."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.host, origin.port or _PORTS[origin.scheme]
        self._tls = tls
        self._socket: AsyncSocket | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return when the head of its answer has come."""
        waits, answer = Waits.of(request.extensions), ResponseParser()
        try:
            connected = await self._connected(waits.connect())
            with suppress(httpx.WriteError):  # it may have refused the request, and said so, before it was all sent
                await connected.send(request_bytes(request), waits.write())
            body = b""
            while not answer.status:
                body = _fed(answer, await connected.receive(waits.patience()))
        except BaseException:
            await self.aclose()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=AsyncBody(self, answer, body, waits))

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


class Body(httpx.SyncByteStream):
    """The body of an answer as it comes. A connection whose answer was not read to its end is not used again."""

    def __init__(self, connection: Direct, answer: ResponseParser, begun: bytes, waits: Waits) -> None:
        self._connection, self._answer, self._begun, self._waits = connection, answer, begun, waits

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next bytes as they come, chunks of HTTP put together."""
        body, self._begun = self._begun, b""
        while not body:
            if self._answer.ended:
                raise StopIteration
            body = _fed(self._answer, self._connection.receive(self._waits.patience()))
        return body

    def close(self) -> None:
        """The body is read, or of no use any more."""
        if not self._answer.reusable:
            self._connection.close()


class AsyncBody(httpx.AsyncByteStream):
    """The body of an answer as it comes. A connection whose answer was not read to its end is not used again."""

    def __init__(self, connection: AsyncDirect, answer: ResponseParser, begun: bytes, waits: Waits) -> None:
        self._connection, self._answer, self._begun, self._waits = connection, answer, begun, waits

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes as they come, chunks of HTTP put together."""
        body, self._begun = self._begun, b""
        while not body:
            if self._answer.ended:
                raise StopAsyncIteration
            body = _fed(self._answer, await self._connection.receive(self._waits.patience()))
        return body

    async def aclose(self) -> None:
        """The body is read, or of no use any more."""
        if not self._answer.reusable:
            await self._connection.aclose()


def _fed(answer: ResponseParser, data: bytes) -> bytes:
    if data:
        return answer.feed(data)
    answer.close()
    return b""
