"""HTTP clients, pooled: one for the process, and one for each event loop; made when first needed.

Models are plain data and hold no client, so any number of them shares these. A user's own client never comes here.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import ssl
from collections.abc import AsyncGenerator
from functools import cache
from threading import Lock
from weakref import WeakKeyDictionary

import httpx

from cf_llama import logs  # noqa: F401 - from here on httpx's lines hold no account id
from cf_llama.pool import AsyncPool, Pool

_lock = Lock()
_sync: httpx.Client | None = None
_lifetimes: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[httpx.AsyncClient, None]] = WeakKeyDictionary()
_async: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # some 15 ms, so once


def shared_client() -> httpx.Client:
    """The process's client."""
    global _sync  # noqa: PLW0603 - one client a process is the purpose of this module
    with _lock:
        if _sync is None or _sync.is_closed:
            _sync = httpx.Client(transport=Pool(_tls()))
        return _sync


async def shared_async_client() -> httpx.AsyncClient:
    """The client of the running event loop, closed when the loop shuts down its asynchronous generators."""
    loop = asyncio.get_running_loop()
    with _lock:
        client = _async.get(loop)
    if client is None or client.is_closed:
        lifetime = _lifetime()
        client = await anext(lifetime)  # does not suspend: it runs straight to its yield
        with _lock:
            for ended in [other for other in _async if other.is_closed()]:
                del _async[ended], _lifetimes[ended]
            _async[loop], _lifetimes[loop] = client, lifetime
    return client


async def _lifetime() -> AsyncGenerator[httpx.AsyncClient, None]:
    # asyncio.run ends with loop.shutdown_asyncgens(), the one hook that a loop offers for closing what belongs to it.
    client = httpx.AsyncClient(transport=AsyncPool(_tls()))
    try:
        yield client
    finally:
        await client.aclose()


@atexit.register
def close() -> None:
    """Close the process's client; the next call makes a new one."""
    with _lock:
        if _sync is not None:
            _sync.close()


def _forget() -> None:
    """A forked child must not write to its parent's sockets."""
    global _sync, _lock
    _sync, _lock = None, Lock()
    _async.clear()
    _lifetimes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
