"""Sync and async sockets: connect, send, receive and close, each with its own timeout.

What fails raises httpx's errors, by their kinds: `ConnectTimeout`, `ReadError` and so on.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from math import inf
from types import TracebackType
from typing import Self, cast

import httpx

from cf_llama.transport.http.dialing import async_connect_to_any, async_resolve, connect_to_any, deadline_clock, resolve

_CHUNK_BYTES = 64 * 1024
_MAX_UNREAD_BYTES = 4 * _CHUNK_BYTES
"""What the event loop may take in before anybody asks for it."""


class ErrorMapping:
    """Converts system errors in its block to httpx's. It holds no state, so one serves all."""

    def __init__(self, error: type[httpx.TransportError], timeout: type[httpx.TransportError]) -> None:
        self._error, self._timeout = error, timeout

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: object, failure: BaseException | None, __: TracebackType | None) -> None:
        """Convert the error of the block."""
        if isinstance(failure, TimeoutError):
            raise self._timeout("it took too long") from failure
        if isinstance(failure, (OSError, ValueError, OverflowError)):  # the last two: no host has such a name or port
            raise self._error(str(failure) or type(failure).__name__) from failure


_CONNECTING = ErrorMapping(httpx.ConnectError, httpx.ConnectTimeout)
_WRITING = ErrorMapping(httpx.WriteError, httpx.WriteTimeout)
_READING = ErrorMapping(httpx.ReadError, httpx.ReadTimeout)


class Socket:
    """A connection for one thread at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    def connect(cls, host: str, port: int, tls: ssl.SSLContext | None, seconds: float | None) -> Self:
        """Connect, with TLS if the scheme is https."""
        with _CONNECTING:
            remaining = deadline_clock(seconds)
            connected = connect_to_any(resolve(host, port, remaining()), remaining)
            try:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connected.settimeout(remaining())
                return cls(tls.wrap_socket(connected, server_hostname=host) if tls else connected)
            except BaseException:
                connected.close()
                raise

    @property
    def stale(self) -> bool:
        """Whether the other side has closed it, or sent something without a request."""
        return _readable(self._socket)

    def send(self, data: bytes, seconds: float | None) -> None:
        """Send all bytes."""
        with _WRITING:
            self._socket.settimeout(seconds)
            self._socket.sendall(data)

    def receive(self, seconds: float | None) -> bytes:
        """Return bytes as soon as some have arrived; none at the end."""
        with _READING:
            self._socket.settimeout(seconds)
            return self._socket.recv(_CHUNK_BYTES)

    def close(self) -> None:
        """Close the socket, also during another operation."""
        self._socket.close()


class AsyncSocket(asyncio.Protocol):
    """A connection for one task at a time; asyncio's streams do not tell whether they hold unread bytes."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._paused = False
        self._writable = True
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, host: str, port: int, tls: ssl.SSLContext | None, seconds: float | None) -> Self:
        """Connect, with TLS if the scheme is https."""
        loop = asyncio.get_running_loop()
        with _CONNECTING:
            async with asyncio.timeout(seconds):
                connected = await async_connect_to_any(await async_resolve(host, port))
                try:
                    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    name = host if tls else None
                    _, made = await loop.create_connection(cls, sock=connected, ssl=tls, server_hostname=name)
                except BaseException:
                    connected.close()
                    raise
        return made

    @property
    def stale(self) -> bool:
        """Whether the other side has closed it, or sent something without a request."""
        if self._ended or self._received or self._transport.is_closing():
            return True
        return _readable(self._transport.get_extra_info("socket"))  # what the loop has not yet looked at

    async def send(self, data: bytes, seconds: float | None) -> None:
        """Send all bytes."""
        with _WRITING:
            if self._ended:
                raise self._error or ConnectionResetError("the server closed the connection")
            self._transport.write(data)
            until = _deadline(seconds)
            while not (self._writable or self._ended):
                await self._woken(until)

    async def receive(self, seconds: float | None) -> bytes:
        """Return bytes as soon as some have arrived; none at the end."""
        with _READING:
            if not (self._received or self._ended):
                await self._woken(_deadline(seconds))
            if self._error and not self._received:
                raise self._error
        data = bytes(self._received)
        self._received.clear()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Close the socket, also during another operation."""
        self._transport.abort()

    async def _woken(self, until: float) -> None:
        """Wait until bytes arrive or are sent, or for a deadline; asyncio's own timeout costs more than the rest."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_at(until, _time_is_over, waiter) if until < inf else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the connection is made."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called with received bytes."""
        self._received += data
        if len(self._received) > _MAX_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Called at the end of the input; the loop closes the connection."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed."""
        self._ended, self._error = True, exc
        self._wake()

    def pause_writing(self) -> None:
        """Called when the send buffer is full."""
        self._writable = False

    def resume_writing(self) -> None:
        """Called when the send buffer has room again."""
        self._writable = True
        self._wake()


def _deadline(seconds: float | None) -> float:
    """The time in so many seconds, on the clock of the event loop."""
    return inf if seconds is None else asyncio.get_running_loop().time() + seconds


def _time_is_over(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _readable(connected: socket.socket) -> bool:
    if not hasattr(select, "poll"):  # Windows, where `select` takes any number
        return bool(select.select([connected], [], [], 0)[0])
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
