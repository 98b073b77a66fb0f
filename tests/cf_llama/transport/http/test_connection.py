"""Connections of our own over real sockets: TLS, a proxy, stale ones, bodies of any size, and time to wait."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
import time
from contextlib import aclosing, closing

import pytest
import trustme

from cf_llama import (
    BadResponseError,
    ChatRequest,
    ConnectionFailedError,
    InvalidRequestError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
    Timeouts,
    Transport,
)
from cf_llama.transport.http.clients import AsyncClient, Client, _tls
from cf_llama.transport.http.pool import AsyncPool, Pool

pytestmark = pytest.mark.usefixtures("both_event_loops")

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
AUTHORITY = trustme.CA()


def trusting(authority=AUTHORITY):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Sync:
    """Asks over connections of its own."""

    def ask(self, connection, count=1, context=None, between=None):
        with closing(Client(Pool(lambda: context or trusting(), 10))) as client:
            replies = []
            for _ in range(count):
                replies.append(Transport(connection, client).run(HI))
                if between:
                    between()
            return replies

    def stream(self, connection, count=1, context=None):
        with closing(Client(Pool(lambda: context or trusting(), 10))) as client:
            return [list(Transport(connection, client).stream(HI))[-1].reply for _ in range(count)]


class Async:
    """Asks over connections of its own."""

    def ask(self, connection, count=1, context=None, between=None):
        async def asked():
            async with aclosing(AsyncClient(AsyncPool(lambda: context or trusting(), 10))) as client:
                replies = []
                for _ in range(count):
                    replies.append(await Transport(connection, async_client=client).arun(HI))
                    if between:
                        between()
                return replies

        return asyncio.run(asked())

    def stream(self, connection, count=1, context=None):
        async def asked():
            async with aclosing(AsyncClient(AsyncPool(lambda: context or trusting(), 10))) as client:
                streams = [Transport(connection, async_client=client).astream(HI) for _ in range(count)]
                return [[delta async for delta in stream][-1].reply for stream in streams]

        return asyncio.run(asked())


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def caller(request):
    return request.param()


@pytest.fixture
def secured(service):
    """The scripted service behind TLS, under the name it is given."""

    def secure(name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(name).configure_cert(context)
        service.socket = context.wrap_socket(service.socket, server_side=True)
        return f"https://{name}:{service.server_port}/client/v4"

    return secure


# TLS


def test_calls_and_streams_over_tls_use_one_connection(caller, service, settings, secured):
    connection = settings(base_url=secured("localhost")).connection()
    for _ in range(3):
        service.replies("Hello")
    assert [reply.text for reply in caller.ask(connection, 3)] == ["Hello"] * 3
    assert len(service.connections) == 1
    for _ in range(2):
        service.streams({"response": "Hel"}, {"response": "lo"})
    assert [reply.text for reply in caller.stream(connection, 2)] == ["Hello"] * 2
    assert len(service.connections) == 2


@pytest.mark.parametrize(
    ("name", "context"),
    [("localhost", trusting(trustme.CA())), ("localhost", _tls()), ("other.localhost", None)],
    ids=["another authority", "the public ones", "another name"],
)
def test_a_host_that_cannot_prove_its_name_is_sent_nothing(caller, service, settings, secured, name, context):  # noqa: PLR0917 - fixtures
    url = secured(name).replace(name, "localhost")
    connection = settings(base_url=url, max_retries=0).connection()
    with pytest.raises(ConnectionFailedError, match="certificate verify failed"):
        caller.ask(connection, context=context)
    assert not service.seen


# a proxy


class Tunnel:
    """A proxy that leads every CONNECT to one port of this machine."""

    def __init__(self, port):
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.asked = []
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # not everywhere does closing alone wake who accepts
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._threads.append(threading.Thread(target=self._lead, args=(client,)))
                self._threads[-1].start()

    def _lead(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.split(b"\r\n")[0].decode())
        target = socket.create_connection(("127.0.0.1", self._port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=self._copy, args=(target, client))
        back.start()
        self._copy(client, target)
        back.join()
        client.close()
        target.close()

    def _copy(self, source, drain):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                drain.sendall(data)
            drain.shutdown(socket.SHUT_WR)


def test_tls_goes_through_the_environments_proxy_unread(caller, service, settings, secured, monkeypatch):
    url = secured("api.test")
    with Tunnel(service.server_port) as tunnel:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{tunnel.port}")
        monkeypatch.setenv("no_proxy", "")
        for _ in range(3):
            service.replies()
        assert len(caller.ask(settings(base_url=url).connection(), 3)) == 3
        assert tunnel.asked == [f"CONNECT api.test:{service.server_port} HTTP/1.1"]


# connections that have been lying


class Scripted:
    """A server that sends one answer to each request of a connection, and then what else it is told."""

    def __init__(self, *afterwards):
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(5)  # a client that fails does not come again
        self.closed = threading.Semaphore(0)
        self.base_url = f"http://127.0.0.1:{self._server.getsockname()[1]}/client/v4"
        self._afterwards = afterwards
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        self._server.close()

    def _serve(self):
        for afterwards in self._afterwards:
            connection, _ = self._server.accept()
            with connection:
                afterwards(connection)
            self.closed.release()


ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"response":"Hi"}'


def take_request(connection):
    data = b""
    while b"}]" not in data:
        data += connection.recv(65536)


def answers_and_closes(connection):
    take_request(connection)
    connection.sendall(ANSWER)


WRONG = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"response":"wrong"}'


def answers_and_says(surplus):
    """Answer, and in the same breath say more."""

    def serve(connection):
        take_request(connection)
        connection.sendall(ANSWER + surplus)
        connection.recv(1)

    return serve


def answers_and_says_more_later(connection):
    take_request(connection)
    connection.sendall(ANSWER)
    time.sleep(0.1)
    connection.sendall(WRONG)
    with contextlib.suppress(OSError):  # who closes a connection without reading resets it
        connection.recv(1)


def answers_too_late(connection):
    take_request(connection)
    connection.recv(1)  # until the client gives up
    with contextlib.suppress(OSError):
        connection.sendall(WRONG)


def answers(connection):
    take_request(connection)
    connection.sendall(ANSWER)
    connection.recv(1)


def test_a_connection_that_ended_is_not_used_again(caller, settings):
    with Scripted(*[answers_and_closes] * 3) as server:
        connection = settings(base_url=server.base_url, max_retries=0).connection()
        replies = caller.ask(connection, 3, between=lambda: server.closed.acquire(timeout=5))
        assert [reply.text for reply in replies] == ["Hi"] * 3


@pytest.mark.parametrize("surplus", [WRONG, WRONG[:1], b"\r\n", b"\n" + WRONG], ids=range(4))
def test_a_connection_that_spoke_up_is_not_used_again(caller, settings, surplus):
    with Scripted(*[answers_and_says(surplus)] * 3) as server:
        connection = settings(base_url=server.base_url, max_retries=0).connection()
        assert [reply.text for reply in caller.ask(connection, 3)] == ["Hi"] * 3


def test_a_connection_that_spoke_up_while_nobody_asked_is_not_used_again(caller, settings):
    with Scripted(*[answers_and_says_more_later] * 2) as server:
        connection = settings(base_url=server.base_url, max_retries=0).connection()
        replies = caller.ask(connection, 2, between=lambda: time.sleep(0.5))
        assert [reply.text for reply in replies] == ["Hi"] * 2


def test_an_answer_that_comes_too_late_goes_to_nobody(caller, settings):
    with Scripted(answers_too_late, answers) as server:
        connection = settings(base_url=server.base_url, max_retries=1, timeout=Timeouts(read=1)).connection()
        assert [reply.text for reply in caller.ask(connection)] == ["Hi"]


# bodies


def refuses_before_it_has_read(connection):
    connection.recv(10)
    page = b'{"errors":[{"code":3006,"message":"Request is too large"}],"success":false}'
    connection.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(page) + page)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 20):
        pass


def test_a_refusal_in_the_middle_of_sending_is_heard(caller, settings, monkeypatch):
    large = ChatRequest(messages=[{"role": "user", "content": "x" * 5_000_000}])
    monkeypatch.setitem(globals(), "HI", large)
    with Scripted(refuses_before_it_has_read) as server:
        connection = settings(base_url=server.base_url, max_retries=0).connection()
        with pytest.raises(InvalidRequestError, match="too large"):
            caller.ask(connection)


def test_large_bodies_arrive_whole_in_both_directions(caller, service, settings, monkeypatch):
    large = "".join(f"{number} " for number in range(1_000_000))
    monkeypatch.setitem(globals(), "HI", ChatRequest(messages=[{"role": "user", "content": large}]))
    service.replies(large)
    [reply] = caller.ask(settings().connection())
    assert reply.text == large
    assert service.seen[0].last_message == large


@pytest.mark.parametrize("mode", ["ask", "stream"])
def test_what_is_packed_is_unpacked(caller, service, settings, mode):
    service.says(gzip.compress(b'{"response": "Hello"}'), headers={"content-encoding": "gzip"})
    [reply] = getattr(caller, mode)(settings().connection())
    assert reply.text == "Hello"
    assert "gzip" in service.seen[0].headers["accept-encoding"]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "zstd"])
def test_what_is_packed_small_does_not_fill_the_memory(caller, service, settings, status, coding):
    zeros = gzip.compress(bytes(70_000_000))
    packed = gzip.compress(zeros) if coding == "gzip, gzip" else zeros
    service.says(packed, status=status, headers={"content-encoding": coding})
    with pytest.raises((BadResponseError, ServiceError)) as caught:
        caller.ask(settings(max_retries=0).connection())
    assert len(caught.value.response.content if caught.value.response else b"") < 4_000_000


@pytest.mark.parametrize(("status", "kind"), [(200, BadResponseError), (503, ServiceError)])
def test_what_cannot_be_unpacked_is_judged_by_its_status(caller, service, settings, status, kind):
    service.says(b"not packed", status=status, headers={"content-encoding": "gzip"})
    with pytest.raises(kind):
        caller.ask(settings(max_retries=0).connection())


# time


def test_a_stream_ends_with_its_last_word_even_if_the_connection_does_not(caller, service, settings):
    service.streams({"response": "Hello"}, {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}, ending="hang")
    [reply] = caller.stream(settings(timeout=Timeouts(stall=None)).connection())
    assert (reply.text, reply.usage.total_tokens) == ("Hello", 2)
    assert service.left.wait(5)


@pytest.mark.parametrize("timeouts", [Timeouts(stall=None), Timeouts(stall=None, total=1)], ids=["no total", "total"])
def test_nothing_that_comes_after_the_last_word_is_waited_for(caller, service, settings, timeouts):
    service.streams({"response": "Hello"}, ending="drip")
    began = time.monotonic()
    [reply] = caller.stream(settings(timeout=timeouts).connection())
    assert reply.text == "Hello"
    assert time.monotonic() - began < 4  # that it ends at all is the point
    assert service.left.wait(5)


def test_an_answer_of_which_nothing_is_missing_is_given_when_the_time_is_over(caller, service, settings):
    service.streams({"response": "Hello"}, {"finish_reason": "stop"}, done=False, ending="drip")
    [reply] = caller.stream(settings(timeout=Timeouts(stall=None, total=0.3)).connection())
    assert reply.text == "Hello"


@pytest.mark.parametrize("mode", ["ask", "stream"])
def test_no_read_outlasts_the_time_for_the_whole_call(caller, service, settings, mode):
    service.streams({"response": "Hel"}, done=False, ending="hang")
    connection = settings(timeout=Timeouts(read=None, stall=None, total=0.2)).connection()
    with pytest.raises((RequestTimeoutError, StreamInterruptedError)):
        getattr(caller, mode)(connection)
    assert service.left.wait(5)
