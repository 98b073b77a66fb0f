"""A pool of connections: taken from the top, given back once, bounded, and through the environment's proxy."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing

import httpx
import pytest

from cf_llama import ChatRequest, InvalidRequestError, RequestTimeoutError, Timeouts, Transport
from cf_llama.transport.http import pool
from cf_llama.transport.http.clients import _tls
from cf_llama.transport.http.connection import Origin
from cf_llama.transport.http.pool import AsyncPool, IdleConnections, Pool, proxy_for

pytestmark = pytest.mark.usefixtures("both_event_loops")

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
HERE = Origin("https", "example.com", None)


class ThreadsOfOne:
    """Calls at once in threads, over a pool of its own."""

    def run(self, connection, count, limit):
        with httpx.Client(transport=Pool(_tls, limit)) as client, ThreadPoolExecutor(count) as threads:
            calls = [threads.submit(Transport(connection, client).run, HI) for _ in range(count)]
            return [call.exception() or call.result().text for call in calls]

    def run_beside_a_stream(self, patient, hasty):
        with (
            httpx.Client(transport=Pool(_tls, 1)) as client,
            closing(Transport(patient, client).stream(HI)) as stream,
        ):
            next(stream)
            Transport(hasty, client).run(HI)


class TasksOfOne:
    """Calls at once in tasks, over a pool of its own."""

    def run(self, connection, count, limit):
        async def at_once():
            async with httpx.AsyncClient(transport=AsyncPool(_tls, limit)) as client:
                transport = Transport(connection, async_client=client)
                answers = await asyncio.gather(*(transport.arun(HI) for _ in range(count)), return_exceptions=True)
                return [answer if isinstance(answer, Exception) else answer.text for answer in answers]

        return asyncio.run(at_once())

    def run_beside_a_stream(self, patient, hasty):
        async def beside():
            async with (
                httpx.AsyncClient(transport=AsyncPool(_tls, 1)) as client,
                aclosing(Transport(patient, async_client=client).astream(HI)) as stream,
            ):
                await anext(stream)
                await Transport(hasty, async_client=client).arun(HI)

        asyncio.run(beside())


@pytest.fixture(params=[ThreadsOfOne, TasksOfOne], ids=["threads", "tasks"])
def crowd(request):
    return request.param()


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_connections_than_allowed_serve_everybody(crowd, service, settings, limit):
    for _ in range(12):
        service.replies()
    assert crowd.run(settings().connection(), 12, limit) == ["Hello"] * 12
    assert len(service.connections) <= limit


def test_who_waits_too_long_for_a_connection_is_told_so(crowd, service, settings):
    service.streams({"response": "half"}, done=False, ending="hang")
    patient, hasty = (settings(max_retries=0, timeout=Timeouts(read=wait)).connection() for wait in (60, 0.05))
    with pytest.raises(RequestTimeoutError, match="PoolTimeout"):
        crowd.run_beside_a_stream(patient, hasty)


def test_a_connection_that_broke_is_not_used_again(crowd, service, settings):
    service.says({"response": "half"}, ending="cut")
    service.replies()
    assert crowd.run(settings(max_retries=1).connection(), 1, 1) == ["Hello"]
    assert len(service.connections) == 2


def test_the_last_that_came_back_is_taken_first():
    shelf = IdleConnections()
    assert shelf.take(HERE) is None
    assert [shelf.put(HERE, name) for name in "abc"] == [[], [], []]
    assert [shelf.take(HERE), shelf.take(HERE)] == ["c", "b"]
    assert shelf.take(Origin("https", "example.org", None)) is None
    assert shelf.clear() == ["a"]


def test_what_lay_too_long_is_given_out_to_be_closed(monkeypatch):
    shelf, now = IdleConnections(), [0.0]
    monkeypatch.setattr(pool, "monotonic", lambda: now[0])
    shelf.put(HERE, "old")
    now[0] = pool.KEEPALIVE_SECONDS + 1
    assert shelf.put(HERE, "new") == ["old"]
    assert shelf.take(HERE) == "new"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "http://all:1"}, "http://all:1"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({}, None),
    ],
)
def test_the_environment_names_the_proxy(monkeypatch, environment, proxy):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(HERE) == proxy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_what_is_for_this_machine_meets_no_proxy(monkeypatch, host):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_for(Origin("http", host, 8799)) is None


def test_a_proxy_that_cannot_be_used_is_named_and_takes_no_place_in_the_pool(crowd, settings, monkeypatch):
    monkeypatch.setenv("https_proxy", "gopher://proxy:70")
    away = settings(base_url="https://api.invalid/client/v4", timeout=0.5).connection()
    errors = crowd.run(away, 3, 1)
    assert [type(error) for error in errors] == [InvalidRequestError] * 3
    assert "proxy for api.invalid" in str(errors[0])


def test_a_request_really_goes_through_the_proxy(crowd, service, settings, monkeypatch):
    # To a plain http proxy a request is sent with its whole URL, so the scripted service can stand in for one.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{service.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    service.replies()
    away = settings(base_url="http://api.invalid/client/v4", allow_insecure_base_url=True).connection()
    assert crowd.run(away, 1, 1) == ["Hello"]
    assert service.seen[0].path.startswith("http://api.invalid/client/v4/accounts/")


def test_many_calls_leave_as_many_connections_as_ran_at_once(service, settings):
    for _ in range(200):
        service.replies()
    with httpx.Client(transport=Pool(_tls, 1000)) as client, ThreadPoolExecutor(8) as threads:
        transport = Transport(settings().connection(), client)
        assert [reply.text for reply in threads.map(lambda _: transport.run(HI), range(200))] == ["Hello"] * 200
    assert len(service.connections) <= 8


def at_once(count, service, settings, limit, ask):
    """Run `ask` with a transport of a pool of so many connections, which is then asked once more."""
    for _ in range(count):
        service.replies()

    async def main():
        async with httpx.AsyncClient(transport=AsyncPool(_tls, limit)) as client:
            transport = Transport(settings(max_retries=0).connection(), async_client=client)
            await ask(transport)
            async with asyncio.timeout(5):
                return (await transport.arun(HI)).text

    return asyncio.run(main())


def test_places_go_to_the_task_that_waited_longest(service, settings):
    order = []

    async def ask(transport):
        async def wait(number):
            await transport.arun(HI)
            order.append(number)

        await asyncio.gather(*(wait(number) for number in range(6)))

    assert at_once(7, service, settings, 1, ask) == "Hello"
    assert order == list(range(6))


@pytest.mark.parametrize("steps", range(8))
def test_a_task_that_is_cancelled_keeps_no_place(service, settings, steps):
    async def ask(transport):
        first, second = (asyncio.create_task(transport.arun(HI)) for _ in range(2))
        for _ in range(steps):
            await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.wait([first, second])

    assert at_once(3, service, settings, 1, ask) == "Hello"


def test_a_changed_proxy_is_not_passed_by_on_an_old_connection(service, settings, monkeypatch):
    made = []

    class Straight(httpx.BaseTransport):
        def handle_request(self, request):
            made.append("straight")
            return httpx.Response(200)

    class Through(Straight):
        def handle_request(self, request):
            made.append("through the proxy")
            return httpx.Response(200)

    monkeypatch.setattr(pool, "HTTPConnection", lambda *_: Straight())
    monkeypatch.setattr(pool, "proxy_connection", lambda *_: Through())
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with httpx.Client(transport=Pool(_tls, 9)) as client:
        client.get("https://api.invalid")
        monkeypatch.setenv("https_proxy", "http://proxy:3128")
        client.get("https://api.invalid")
        monkeypatch.delenv("https_proxy")
        client.get("https://api.invalid")
    assert made == ["straight", "through the proxy", "straight"]
