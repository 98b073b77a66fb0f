"""A pool of connections whose cost does not grow with their number.

httpcore's own pool looks through all its connections and requests whenever one begins or ends, and so takes twenty
seconds for a thousand calls at once. This one is a stack of transports that hold one connection each: what comes back
last is taken first, so few stay warm and the rest time out. They are our own where the way is straight, and httpx's
where it leads through a proxy.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from threading import Lock
from time import monotonic
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import httpx

from cf_llama.config.connection import is_loopback
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.transport.http.connection import AsyncHTTPConnection, HTTPConnection, Origin
from cf_llama.transport.http.semaphore import Semaphore

KEEPALIVE_SECONDS = 30.0
"""How long a connection may lie unused; Cloudflare's edge closes them after some minutes."""

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)

_PROXY_VARIABLES = [
    name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_PROXY".upper())
]

Kind = TypeVar("Kind", httpx.BaseTransport, httpx.AsyncBaseTransport)
Proxied = TypeVar("Proxied", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


def proxy_for(origin: Origin) -> str | None:
    """The proxy that the environment or the system sets for an origin, by the rules of Python's urllib.

    What is for this machine goes straight to it: a proxy would see the token, in the clear.
    """
    proxies = {} if is_loopback(origin.host) or proxy_bypass(origin.host) else getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


class Route(NamedTuple):
    """Origin and proxy settings of a request: a connection can be reused for the same route."""

    origin: Origin
    environment: tuple[str | None, ...]


def route_of(request: httpx.Request) -> Route:
    """The route of a request."""
    origin = Origin(request.url.scheme, request.url.host, request.url.port)
    return Route(origin, () if is_loopback(origin.host) else tuple(map(os.environ.get, _PROXY_VARIABLES)))


def proxy_connection(proxy: str, origin: Origin, kind: type[Proxied], context: ssl.SSLContext) -> Proxied:
    """A transport of one connection through a proxy.

    Raises:
        InvalidRequestError: the environment names one that cannot be used. Its address is not shown: it may hold a
            password, and a malformed one holds it in unexpected places.
    """
    try:
        return kind(verify=context, limits=_ONE, proxy=proxy)
    except ImportError:
        reason = "SOCKS needs a package more: pip install 'httpx[socks]'"
    except (ValueError, httpx.InvalidURL):
        reason = (
            "it must be http://, https:// or socks5://host:port; in a user or password, "
            "the characters / : @ # ? and % are written as %2F %3A %40 %23 %3F and %25"
        )
    raise InvalidRequestError(f"the proxy for {origin.host} in {proxy_setting(origin)} cannot be used: {reason}")


def proxy_setting(origin: Origin) -> str:
    """The variable in which `getproxies` found the proxy, or the system's settings."""
    names = (name for scheme in (origin.scheme, "all") for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"))
    return next((name for name in names if os.environ.get(name)), "the system's settings")


class IdleConnections(Generic[Kind]):
    """Idle connections by route, the most recently used first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_route: dict[Route, deque[tuple[float, Kind]]] = {}

    def take(self, route: Route) -> Kind | None:
        """Remove and return the most recently used one that has not been idle for too long, if there is any."""
        with self._lock:
            idle = self._by_route.get(route)
            return idle.pop()[1] if idle and idle[-1][0] >= monotonic() - KEEPALIVE_SECONDS else None

    def put(self, route: Route, connection: Kind) -> list[Kind]:
        """Add one; return those that have been idle for too long, which the caller closes."""
        now = monotonic()
        with self._lock:
            self._by_route.setdefault(route, deque()).append((now, connection))
            expired = []
            for idle in self._by_route.values():
                while idle and idle[0][0] < now - KEEPALIVE_SECONDS:
                    expired.append(idle.popleft()[1])
            return expired

    def take_inherited(self) -> list[Kind]:
        """Remove and return all, in a forked child, where a thread of the parent may have held the lock."""
        self._lock = Lock()
        return self.clear()

    def clear(self) -> list[Kind]:
        """Remove and return all, which the caller closes."""
        with self._lock:
            all_of_them = [connection for idle in self._by_route.values() for _, connection in idle]
            self._by_route.clear()
            return all_of_them


class Pool(httpx.BaseTransport):
    """Connection pool for threads. Waiting requests are served in order, within their `pool` timeout."""

    def __init__(self, context: Callable[[], ssl.SSLContext], max_connections: int) -> None:
        self._context = context
        self._semaphore = Semaphore(max_connections)
        self._idle: IdleConnections[httpx.BaseTransport] = IdleConnections()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection that no other request uses meanwhile."""
        if not self._semaphore.acquire(request.extensions.get("timeout", {}).get("pool")):
            raise httpx.PoolTimeout("all connections are in use")
        route = route_of(request)
        connection = self._idle.take(route)
        try:
            connection = connection or self._connection(route.origin)
            response = connection.handle_request(request)
        except BaseException:
            self._release(route, connection)
            raise
        body = cast("httpx.SyncByteStream", response.stream)
        response.stream = PooledStream(body, partial(self._release, route, connection))
        return response

    def _connection(self, origin: Origin) -> httpx.BaseTransport:
        if proxy := proxy_for(origin):
            return proxy_connection(proxy, origin, httpx.HTTPTransport, self._context())
        return HTTPConnection(origin, self._context() if origin.scheme == "https" else None)

    def _release(self, route: Route, connection: httpx.BaseTransport | None) -> None:
        expired = self._idle.put(route, connection) if connection else []
        self._semaphore.release()
        for idle in expired:
            idle.close()

    def close(self) -> None:
        """Close idle connections."""
        for idle in self._idle.clear():
            idle.close()

    def close_inherited(self) -> None:
        """Close idle connections in a forked child; the parent's connections stay open."""
        for idle in self._idle.take_inherited():
            idle.close()


class AsyncPool(httpx.AsyncBaseTransport):
    """Connection pool for the tasks of one event loop; see `Pool`."""

    def __init__(self, context: Callable[[], ssl.SSLContext], max_connections: int) -> None:
        self._context = context
        self._semaphore = asyncio.Semaphore(max_connections)
        self._idle: IdleConnections[httpx.AsyncBaseTransport] = IdleConnections()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection that no other request uses meanwhile."""
        await self._acquire(request.extensions.get("timeout", {}).get("pool"))
        route = route_of(request)
        connection = self._idle.take(route)
        try:
            connection = connection or self._connection(route.origin)
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._release(route, connection)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = AsyncPooledStream(body, partial(self._release, route, connection))
        return response

    async def _acquire(self, seconds: float | None) -> None:
        if not self._semaphore.locked():
            await self._semaphore.acquire()  # at once; a timeout would cost more than all the rest
            return
        try:
            async with asyncio.timeout(seconds):
                await self._semaphore.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None

    def _connection(self, origin: Origin) -> httpx.AsyncBaseTransport:
        if proxy := proxy_for(origin):
            return proxy_connection(proxy, origin, httpx.AsyncHTTPTransport, self._context())
        return AsyncHTTPConnection(origin, self._context() if origin.scheme == "https" else None)

    async def _release(self, route: Route, connection: httpx.AsyncBaseTransport | None) -> None:
        expired = self._idle.put(route, connection) if connection else []
        self._semaphore.release()
        for idle in expired:
            await idle.aclose()

    async def aclose(self) -> None:
        """Close idle connections."""
        for idle in self._idle.clear():
            await idle.aclose()


class PooledStream(httpx.SyncByteStream):
    """A response body that gives its connection back to the pool when it is closed, once."""

    def __init__(self, body: httpx.SyncByteStream, release: Callable[[], None]) -> None:
        self._body, self._release, self._in_use = body, release, True

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Give the connection back to the pool."""
        if self._in_use:
            self._in_use = False
            try:
                self._body.close()
            finally:
                self._release()


class AsyncPooledStream(httpx.AsyncByteStream):
    """A response body that gives its connection back to the pool when it is closed, once."""

    def __init__(self, body: httpx.AsyncByteStream, release: Callable[[], Awaitable[None]]) -> None:
        self._body, self._release, self._in_use = body, release, True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        """Give the connection back to the pool."""
        if self._in_use:
            self._in_use = False
            try:
                await self._body.aclose()
            finally:
                await self._release()
