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
from cf_llama.transport.http.direct import AsyncDirect, Direct, Origin
from cf_llama.transport.http.turns import Turns

KEPT_SECONDS = 30.0
"""How long a connection may lie unused; Cloudflare's edge closes them after some minutes."""

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)

_PROXY_VARIABLES = [
    name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_PROXY".upper())
]

Kind = TypeVar("Kind", httpx.BaseTransport, httpx.AsyncBaseTransport)
Proxied = TypeVar("Proxied", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


def proxy_to(origin: Origin) -> str | None:
    """The proxy that the environment or the system names for it, by the rules of Python's own library.

    What is for this machine goes straight to it: a proxy would see the token, in the clear.
    """
    proxies = {} if is_loopback(origin.host) or proxy_bypass(origin.host) else getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


class Way(NamedTuple):
    """Where a request goes, and what the environment says about proxies: a connection is of use for the same way."""

    origin: Origin
    environment: tuple[str | None, ...]


def way_of(request: httpx.Request) -> Way:
    """The way that a request takes."""
    origin = Origin(request.url.scheme, request.url.host, request.url.port)
    return Way(origin, () if is_loopback(origin.host) else tuple(map(os.environ.get, _PROXY_VARIABLES)))


def through(proxy: str, origin: Origin, kind: type[Proxied], context: ssl.SSLContext) -> Proxied:
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
    raise InvalidRequestError(f"the proxy for {origin.host} in {named(origin)} cannot be used: {reason}")


def named(origin: Origin) -> str:
    """Where `getproxies` has found the proxy: a variable, or the system's settings."""
    names = (name for scheme in (origin.scheme, "all") for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"))
    return next((name for name in names if os.environ.get(name)), "the system's settings")


class Shelf(Generic[Kind]):
    """Connections that nobody uses, the last used on top, by the way that they lead."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._unused: dict[Way, deque[tuple[float, Kind]]] = {}

    def take(self, way: Way) -> Kind | None:
        """The one that was used last, if there is any; it must not have been lying for too long."""
        with self._lock:
            unused = self._unused.get(way)
            return unused.pop()[1] if unused and unused[-1][0] >= monotonic() - KEPT_SECONDS else None

    def put(self, way: Way, connection: Kind) -> list[Kind]:
        """Lay one back; give those that have been lying for too long, to be closed."""
        now = monotonic()
        with self._lock:
            self._unused.setdefault(way, deque()).append((now, connection))
            old = []
            for unused in self._unused.values():
                while unused and unused[0][0] < now - KEPT_SECONDS:
                    old.append(unused.popleft()[1])
            return old

    def inherited(self) -> list[Kind]:
        """Give all there are, in a forked child, where the lock may have been held by a thread of the parent."""
        self._lock = Lock()
        return self.clear()

    def clear(self) -> list[Kind]:
        """Give all there are, to be closed."""
        with self._lock:
            all_of_them = [connection for unused in self._unused.values() for _, connection in unused]
            self._unused.clear()
            return all_of_them


class Pool(httpx.BaseTransport):
    """Connections for threads. Those who wait for one are served in turn, for as long as their `pool` timeout says."""

    def __init__(self, context: Callable[[], ssl.SSLContext], max_connections: int) -> None:
        self._context = context
        self._turns = Turns(max_connections)
        self._shelf: Shelf[httpx.BaseTransport] = Shelf()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection of its own."""
        if not self._turns.take(request.extensions.get("timeout", {}).get("pool")):
            raise httpx.PoolTimeout("all connections are in use")
        way = way_of(request)
        connection = self._shelf.take(way)
        try:
            connection = connection or self._connection(way.origin)
            response = connection.handle_request(request)
        except BaseException:
            self._give_back(way, connection)
            raise
        body = cast("httpx.SyncByteStream", response.stream)
        response.stream = Lent(body, partial(self._give_back, way, connection))
        return response

    def _connection(self, origin: Origin) -> httpx.BaseTransport:
        if proxy := proxy_to(origin):
            return through(proxy, origin, httpx.HTTPTransport, self._context())
        return Direct(origin, self._context() if origin.scheme == "https" else None)

    def _give_back(self, way: Way, connection: httpx.BaseTransport | None) -> None:
        old = self._shelf.put(way, connection) if connection else []
        self._turns.give_back()
        for unused in old:
            unused.close()

    def close(self) -> None:
        """Close what nobody uses."""
        for unused in self._shelf.clear():
            unused.close()

    def close_inherited(self) -> None:
        """Close, in a forked child, what nobody uses; the parent's connections stay open."""
        for unused in self._shelf.inherited():
            unused.close()


class AsyncPool(httpx.AsyncBaseTransport):
    """Connections for the tasks of one event loop, in turn, as `Pool` does for threads."""

    def __init__(self, context: Callable[[], ssl.SSLContext], max_connections: int) -> None:
        self._context = context
        self._places = asyncio.Semaphore(max_connections)
        self._shelf: Shelf[httpx.AsyncBaseTransport] = Shelf()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection of its own."""
        await self._take_place(request.extensions.get("timeout", {}).get("pool"))
        way = way_of(request)
        connection = self._shelf.take(way)
        try:
            connection = connection or self._connection(way.origin)
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(way, connection)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = AsyncLent(body, partial(self._give_back, way, connection))
        return response

    async def _take_place(self, seconds: float | None) -> None:
        if not self._places.locked():
            await self._places.acquire()  # at once; a timeout would cost more than all the rest
            return
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None

    def _connection(self, origin: Origin) -> httpx.AsyncBaseTransport:
        if proxy := proxy_to(origin):
            return through(proxy, origin, httpx.AsyncHTTPTransport, self._context())
        return AsyncDirect(origin, self._context() if origin.scheme == "https" else None)

    async def _give_back(self, way: Way, connection: httpx.AsyncBaseTransport | None) -> None:
        old = self._shelf.put(way, connection) if connection else []
        self._places.release()
        for unused in old:
            await unused.aclose()

    async def aclose(self) -> None:
        """Close what nobody uses."""
        for unused in self._shelf.clear():
            await unused.aclose()


class Lent(httpx.SyncByteStream):
    """The body of an answer, whose end gives its connection back, once."""

    def __init__(self, body: httpx.SyncByteStream, give_back: Callable[[], None]) -> None:
        self._body, self._give_back, self._lent = body, give_back, True

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """The body is read, or of no use any more."""
        if self._lent:
            self._lent = False
            try:
                self._body.close()
            finally:
                self._give_back()


class AsyncLent(httpx.AsyncByteStream):
    """The body of an answer, whose end gives its connection back, once."""

    def __init__(self, body: httpx.AsyncByteStream, give_back: Callable[[], Awaitable[None]]) -> None:
        self._body, self._give_back, self._lent = body, give_back, True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        """The body is read, or of no use any more."""
        if self._lent:
            self._lent = False
            try:
                await self._body.aclose()
            finally:
                await self._give_back()
