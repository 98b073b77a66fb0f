"""A pool of connections whose cost does not grow with their number.

httpcore's own pool looks through all its connections and requests whenever one begins or ends, and so takes twenty
seconds for a thousand calls at once. This one is a stack of httpx transports that hold one connection each: what comes
back last is taken first, so few stay warm and the rest time out. TLS, timeouts and proxies remain httpx's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from threading import Lock, Semaphore
from time import monotonic
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import httpx

from cf_llama.connection import is_loopback
from cf_llama.errors import InvalidRequestError

MAX_CONNECTIONS = 1000
KEPT_SECONDS = 30.0
"""How long a connection may lie unused; Cloudflare's edge closes them after some minutes."""

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)

Kind = TypeVar("Kind", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


class Origin(NamedTuple):
    """What connections are good for."""

    scheme: str
    host: str
    port: int | None

    @property
    def proxy(self) -> str | None:
        """The proxy that the environment or the system names for it, by the rules of Python's own library.

        What is for this machine goes straight to it: a proxy would see the token, in the clear.
        """
        proxies = {} if is_loopback(self.host) or proxy_bypass(self.host) else getproxies()
        proxy = proxies.get(self.scheme) or proxies.get("all")
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def origin_of(request: httpx.Request) -> Origin:
    """Where a request goes."""
    return Origin(request.url.scheme, request.url.host, request.url.port)


def transport_to(origin: Origin, kind: type[Kind], context: ssl.SSLContext) -> Kind:
    """A transport of one connection.

    Raises:
        InvalidRequestError: the environment names a proxy that cannot be used.
    """
    try:
        return kind(verify=context, limits=_ONE, proxy=origin.proxy)
    except (ValueError, ImportError) as error:
        raise InvalidRequestError(f"the environment's proxy for {origin.host} cannot be used: {error}") from None


class Shelf(Generic[Kind]):
    """Connections that nobody uses, the last used on top."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._unused: dict[Origin, deque[tuple[float, Kind]]] = defaultdict(deque)

    def take(self, origin: Origin) -> Kind | None:
        """The one that was used last, if there is any."""
        with self._lock:
            unused = self._unused[origin]
            return unused.pop()[1] if unused else None

    def put(self, origin: Origin, connection: Kind) -> list[Kind]:
        """Lay one back; give those that have been lying for too long, to be closed."""
        now = monotonic()
        with self._lock:
            unused = self._unused[origin]
            unused.append((now, connection))
            old = []
            while unused[0][0] < now - KEPT_SECONDS:
                old.append(unused.popleft()[1])
            return old

    def clear(self) -> list[Kind]:
        """Give all there are, to be closed."""
        with self._lock:
            all_of_them = [connection for unused in self._unused.values() for _, connection in unused]
            self._unused.clear()
            return all_of_them


class Pool(httpx.BaseTransport):
    """Connections for threads. Those who wait for one are served in turn, for as long as their `pool` timeout says."""

    def __init__(self, context: ssl.SSLContext, max_connections: int = MAX_CONNECTIONS) -> None:
        self._context = context
        self._free = Semaphore(max_connections)
        self._shelf: Shelf[httpx.HTTPTransport] = Shelf()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection of its own."""
        if not self._free.acquire(timeout=request.extensions.get("timeout", {}).get("pool")):
            raise httpx.PoolTimeout("all connections are in use", request=request)
        origin = origin_of(request)
        connection = self._shelf.take(origin)
        try:
            connection = connection or transport_to(origin, httpx.HTTPTransport, self._context)
            response = connection.handle_request(request)
        except BaseException:
            self._give_back(origin, connection)
            raise
        body = cast("httpx.SyncByteStream", response.stream)
        response.stream = Lent(body, partial(self._give_back, origin, connection))
        return response

    def _give_back(self, origin: Origin, connection: httpx.HTTPTransport | None) -> None:
        old = self._shelf.put(origin, connection) if connection else []
        self._free.release()
        for unused in old:
            unused.close()

    def close(self) -> None:
        """Close what nobody uses."""
        for unused in self._shelf.clear():
            unused.close()


class AsyncPool(httpx.AsyncBaseTransport):
    """Connections for the tasks of one event loop, in turn, as `Pool` does for threads."""

    def __init__(self, context: ssl.SSLContext, max_connections: int = MAX_CONNECTIONS) -> None:
        self._context = context
        self._free = asyncio.Semaphore(max_connections)
        self._shelf: Shelf[httpx.AsyncHTTPTransport] = Shelf()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection of its own."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use", request=request) from None
        origin = origin_of(request)
        connection = self._shelf.take(origin)
        try:
            connection = connection or transport_to(origin, httpx.AsyncHTTPTransport, self._context)
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(origin, connection)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = AsyncLent(body, partial(self._give_back, origin, connection))
        return response

    async def _give_back(self, origin: Origin, connection: httpx.AsyncHTTPTransport | None) -> None:
        old = self._shelf.put(origin, connection) if connection else []
        self._free.release()
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
