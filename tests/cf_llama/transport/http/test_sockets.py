"""Sockets by themselves: connecting takes no longer than it may, whatever the system or the other side does."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from contextlib import closing, suppress

import httpx
import pytest

from cf_llama.transport.http import sockets
from cf_llama.transport.http.sockets import AsyncSocket, Socket

pytestmark = pytest.mark.usefixtures("both_event_loops")


def connected(host, port, seconds):
    Socket.connect(host, port, None, seconds).close()


def connected_async(host, port, seconds):
    async def connect():
        (await AsyncSocket.connect(host, port, None, seconds)).close()

    asyncio.run(connect())


@pytest.fixture(params=[connected, connected_async], ids=["sync", "async"])
def connect(request):
    return request.param


@pytest.fixture
def deaf():
    """The address of a server whose queue is full, so that nothing is answered."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()
        for client in waiting:
            client.close()


@pytest.fixture
def names(monkeypatch):
    """Return a function that gives a name its addresses."""

    def give(*addresses):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

        async def look_up(*_):
            return found

        monkeypatch.setattr(sockets, "resolve", lambda *_: found)
        monkeypatch.setattr(sockets, "async_resolve", look_up)  # uvloop's own look-up cannot be replaced

    return give


def test_a_name_is_looked_up_no_longer_than_it_may_take(monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(5) and [])
    began = time.monotonic()
    with pytest.raises(httpx.ConnectTimeout):
        connected("slow.test", 80, 0.1)
    assert time.monotonic() - began < 3
    done.set()


def test_all_addresses_together_take_no_longer_than_one_may(deaf, names, connect):
    names(*[deaf] * 8)
    began = time.monotonic()
    with pytest.raises(httpx.ConnectTimeout):
        connect("deaf.test", 80, 0.5)
    assert time.monotonic() - began < 2


def test_an_address_that_does_not_answer_leaves_time_for_the_next(deaf, names, connect):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        names(deaf, server.getsockname())
        connect("half-deaf.test", 80, 2)


def test_the_last_failure_is_told(names, connect):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        closed = server.getsockname()
    names(closed, closed)
    with pytest.raises(httpx.ConnectError):
        connect("closed.test", 80, None)


async def test_who_stops_waiting_for_a_connection_leaves_no_socket_behind():
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as server:
        for delay in range(30):
            waiting = asyncio.create_task(AsyncSocket.connect(*server.getsockname(), None, 5))
            await asyncio.sleep(delay / 100_000)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                (await waiting).close()
    await asyncio.sleep(0)
    gc.collect()  # an unclosed socket would be a ResourceWarning, and that an error


async def test_who_stops_waiting_for_a_name_with_several_addresses_leaves_no_socket_behind(names):
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as server:
        names(*[server.getsockname()] * 3)
        for delay in range(60):
            waiting = asyncio.create_task(AsyncSocket.connect("several.test", 80, None, 5))
            await asyncio.sleep(delay / 100_000)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                (await waiting).close()
    await asyncio.sleep(0.01)
    gc.collect()  # an unclosed socket would be a ResourceWarning, and that an error


@pytest.mark.parametrize(("host", "port"), [("a..b", 80), ("127.0.0.1", 99999)])
def test_what_no_host_can_be_is_no_connection(host, port):
    with pytest.raises(httpx.ConnectError):
        connected(host, port, 1)
