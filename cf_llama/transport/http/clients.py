"""Shared clients with connection pools: one for the process and one for each event loop, created on first use.

Models are plain data and hold no client, so any number of them shares these.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import ssl
from collections.abc import AsyncGenerator
from functools import cache, lru_cache
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.transport import logs
from cf_llama.transport.event_loop import running_loop
from cf_llama.transport.http.pool import AsyncPool, Pool

_log = logging.getLogger("cf_llama.http")

_ACCEPTED = {"accept": "*/*"}
_TIMEOUT_NAMES = ("connect", "read", "write", "pool")


@cache
def _tls() -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()  # some 15 ms, so once, and not before it is needed
    except OSError as error:  # ssl.SSLError is one
        named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)
        what = f"{named}={os.environ[named]}" if named else "certifi, the package of certificate authorities,"
        message = f"{what} cannot be read as certificates: {error.strerror or error}"
        raise InvalidRequestError(f"{message}. Correct the path, or unset {named}" if named else message) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=64)  # models are many, routes are few, and parsing one costs more than the rest of a request
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


class _Request(httpx.Request):
    """A request whose repr has no account id, because tools that show local variables show it."""

    def __repr__(self) -> str:
        return f"<Request({self.method!r}, {str(logs.redacted(self.url))!r})>"


class _Requests:
    """Builds requests as httpx's clients do, without merging defaults, cookies and queries."""

    is_closed = False

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes,
        headers: dict[str, str],
        timeout: tuple[float | None, ...],
        extensions: dict[str, Any],
    ) -> httpx.Request:
        """Build a request; `timeout` is connect, read, write and pool."""
        timeouts = dict(zip(_TIMEOUT_NAMES, timeout, strict=True))
        target = _parsed(url)
        # with these two given, httpx need not look for what is missing, and make its headers twice
        known = {"host": target.netloc.decode(), **_ACCEPTED, **headers, "content-length": str(len(content))}
        return _Request(
            method,
            target,
            headers=known,
            stream=httpx.ByteStream(content),
            extensions={**extensions, "timeout": timeouts},
        )

    def _logged(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        _log.debug("%s %s: %d", request.method, request.url, response.status_code)
        return response


class Client(_Requests):
    """The part of `httpx.Client` that a prepared request needs. Keeps no cookies, follows no redirects."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def send(self, request: httpx.Request, **_: bool) -> httpx.Response:
        """Send a request and return once the response headers have arrived."""
        return self._logged(request, self._pool.handle_request(request))

    def close(self) -> None:
        """Close idle connections."""
        self.is_closed = True
        self._pool.close()

    def close_inherited(self) -> None:
        """Close connections inherited from the parent process."""
        self._pool.close_inherited()


class AsyncClient(_Requests):
    """The part of `httpx.AsyncClient` that a prepared request needs. Keeps no cookies, follows no redirects."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool

    async def send(self, request: httpx.Request, **_: bool) -> httpx.Response:
        """Send a request and return once the response headers have arrived."""
        return self._logged(request, await self._pool.handle_async_request(request))

    async def aclose(self) -> None:
        """Close idle connections."""
        self.is_closed = True
        await self._pool.aclose()


_lock = Lock()
_sync: dict[int, Client] = {}
_async: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, AsyncClient]] = WeakKeyDictionary()
_lifetimes: WeakKeyDictionary[asyncio.AbstractEventLoop, list[AsyncGenerator[AsyncClient, None]]] = WeakKeyDictionary()

_parents: list[Any] = []
"""In a forked child: clients of the parent's event loops."""


def shared_client(max_connections: int) -> Client:
    """The process's client with at most `max_connections` connections."""
    with _lock:
        client = _sync.get(max_connections)
        if client is None or client.is_closed:
            client = _sync[max_connections] = Client(Pool(_tls, max_connections))
        return client


async def shared_async_client(max_connections: int) -> AsyncClient:
    """The running event loop's client, closed when the loop shuts down its asynchronous generators."""
    loop = running_loop()
    client = _async.get(loop, {}).get(max_connections)
    if client is None or client.is_closed:
        lifetime = _lifetime(max_connections)
        client = await anext(lifetime)  # does not suspend: it runs straight to its yield
        with _lock:
            for ended in [other for other in _async if other.is_closed()]:
                del _async[ended], _lifetimes[ended]
            _async.setdefault(loop, {})[max_connections] = client
            _lifetimes.setdefault(loop, []).append(lifetime)
    return client


async def _lifetime(max_connections: int) -> AsyncGenerator[AsyncClient, None]:
    # asyncio.run ends with loop.shutdown_asyncgens(), the one hook that a loop offers for closing what belongs to it.
    client = AsyncClient(AsyncPool(_tls, max_connections))
    try:
        yield client
    finally:
        await client.aclose()


@atexit.register
def close() -> None:
    """Close the process's clients; the next call creates a new one."""
    with _lock:
        for client in _sync.values():
            client.close()


def _forget() -> None:
    """A forked child must not write to its parent's sockets.

    What belongs to an event loop is kept: closing it would change the loop that the parent still runs.
    """
    global _lock  # noqa: PLW0603 - the parent may have held it
    _lock = Lock()
    for client in _sync.values():
        client.close_inherited()
    _sync.clear()
    _parents.extend([*_async.items(), *_lifetimes.items()])
    _async.clear()
    _lifetimes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
