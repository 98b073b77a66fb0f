"""What keeps a call from ever reaching the service, by every way of calling: whose error it is, and what it names."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import closing, contextmanager

import httpx
import pytest
import trustme
from llama_index.core.llms import ChatMessage

from cf_llama import ChatRequest, Settings, Transport
from cf_llama.protocol import errors
from cf_llama.transport.http import clients, sockets
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from langchain_cf_llama import errors as langchain_errors
from llama_index_cf_llama import CloudflareLlama

ACCOUNT, TOKEN = "0123456789abcdef0123456789abcdef", "made-up-token-of-no-account"
REQUEST = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
HI = [ChatMessage(content="Hi")]
CALLS = {
    "transport.run": lambda made: transport(made).run(REQUEST),
    "transport.stream": lambda made: list(transport(made).stream(REQUEST)),
    "transport.arun": lambda made: transport(made).arun(REQUEST),
    "transport.astream": lambda made: collected(transport(made).astream(REQUEST)),
    "chat.invoke": lambda made: ChatCloudflareLlama(**made).invoke("Hi"),
    "chat.stream": lambda made: list(ChatCloudflareLlama(**made).stream("Hi")),
    "chat.ainvoke": lambda made: ChatCloudflareLlama(**made).ainvoke("Hi"),
    "chat.astream": lambda made: collected(ChatCloudflareLlama(**made).astream("Hi")),
    "llm.invoke": lambda made: CloudflareLlamaLLM(**made).invoke("Hi"),
    "llm.stream": lambda made: list(CloudflareLlamaLLM(**made).stream("Hi")),
    "llm.ainvoke": lambda made: CloudflareLlamaLLM(**made).ainvoke("Hi"),
    "llm.astream": lambda made: collected(CloudflareLlamaLLM(**made).astream("Hi")),
    "llama_index.chat": lambda made: CloudflareLlama(**made).chat(HI),
    "llama_index.stream_chat": lambda made: list(CloudflareLlama(**made).stream_chat(HI)),
    "llama_index.achat": lambda made: CloudflareLlama(**made).achat(HI),
    "llama_index.astream_chat": lambda made: awaited(CloudflareLlama(**made).astream_chat(HI)),
}


def transport(made):
    settings = Settings(**made)
    return Transport(settings.connection(), settings.http_client, settings.http_async_client)


async def collected(pieces):
    return [piece async for piece in pieces]


async def awaited(pieces):
    return await collected(await pieces)


def finished(call):
    if asyncio.iscoroutine(pending := call()):
        asyncio.run(pending)


@pytest.fixture(params=CALLS)
def failure(request):
    """Return a function that calls a model which cannot succeed, and returns the error and the classes it may have."""
    family = langchain_errors if request.param.startswith(("chat", "llm")) else errors

    def call(base_url, kind, **given):
        made = {"account_id": ACCOUNT, "api_token": TOKEN, "base_url": base_url, **given}
        with pytest.raises(getattr(family, kind)) as caught:
            finished(lambda: CALLS[request.param](made))
        return caught.value

    return call


@pytest.fixture(autouse=True)
def fresh_clients(monkeypatch):
    """No proxy, no certificates and no connection of another test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    clients._tls.cache_clear()
    clients.close()
    yield
    clients._tls.cache_clear()
    clients.close()


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "broken"])
def test_certificates_that_cannot_be_read_are_named_with_their_variable(failure, monkeypatch, tmp_path, content):
    if content:
        (tmp_path / "authority.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    error = failure("https://api.invalid/client/v4", "InvalidRequestError")
    assert f"SSL_CERT_FILE={tmp_path / 'authority.pem'} cannot be read" in str(error)
    assert "unset SSL_CERT_FILE" in str(error)


@pytest.mark.parametrize("proxy", ["http://user:se/cret@proxy:8080", "gopher://user:secret@proxy:70"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_without_its_password(failure, monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = failure("https://api.invalid/client/v4", "InvalidRequestError")
    assert "proxy for api.invalid in HTTPS_PROXY" in str(error)
    assert "cret" not in str(error)
    assert "user:" not in str(error)


def test_a_host_without_an_address_is_named_and_looked_up_once(failure, monkeypatch):
    asked = []

    def unknown(host, *_):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def unknown_too(host, *_):
        unknown(host)

    monkeypatch.setattr(sockets, "resolve", unknown)
    monkeypatch.setattr(sockets, "async_resolve", unknown_too)
    error = failure("https://api.invalid/client/v4", "ConnectionFailedError")
    assert "api.invalid has no address" in str(error)
    assert "CLOUDFLARE_BASE_URL" in str(error)
    assert not error.is_retryable
    assert asked == ["api.invalid"]


@contextmanager
def serving(handle):
    """A server that hands each connection to `handle`; yields its port and the connections there were."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        made = []

        def accept():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                made.append(connection)
                with closing(connection):
                    handle(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1], made
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_certificate_that_fails_is_named_with_its_host_and_tried_once(failure):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def handshake(connection):
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    with serving(handshake) as (port, made):
        error = failure(f"https://localhost:{port}/client/v4", "ConnectionFailedError")
    assert "the certificate of localhost cannot be verified" in str(error)
    assert "SSL_CERT_FILE" in str(error)
    assert not error.is_retryable
    assert len(made) == 1


def test_a_proxy_that_wants_a_password_is_asked_once(failure, monkeypatch):
    def refuse(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    with serving(refuse) as (port, made):
        monkeypatch.setenv("https_proxy", f"http://user:secret@127.0.0.1:{port}")
        error = failure("https://api.invalid/client/v4", "ConnectionFailedError")
    assert "407" in str(error)
    assert "HTTPS_PROXY" in str(error)
    assert "secret" not in str(error)
    assert not error.is_retryable
    assert len(made) == 1


def assert_names_the_proxy(error):
    assert "HTTPS_PROXY names a proxy for it" in str(error)
    assert "secret" not in str(error)
    assert error.is_retryable


def test_a_proxy_that_cannot_be_reached_is_named_and_may_be_tried_again(failure, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
    assert_names_the_proxy(failure("https://api.invalid/client/v4", "ConnectionFailedError", max_retries=0))


def test_a_proxy_that_fails_is_named_and_may_be_tried_again(failure, monkeypatch):
    def fail(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")

    with serving(fail) as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
        error = failure("https://api.invalid/client/v4", "ConnectionFailedError", max_retries=0)
    assert_names_the_proxy(error)


def test_a_proxy_without_an_address_is_named_in_place_of_the_service(failure, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.invalid:8080")
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    error = failure("https://api.invalid/client/v4", "ConnectionFailedError")
    assert "the proxy on the way to api.invalid has no address" in str(error)
    assert "check the host in HTTPS_PROXY" in str(error)
    assert "secret" not in str(error)
    assert not error.is_retryable


def unknown_host(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_client_of_ones_own_that_is_closed_is_named(failure_of_closed_clients):
    error = failure_of_closed_clients()
    assert "http_client or http_async_client" in str(error)
    assert "closed" in str(error)


@pytest.fixture(params=CALLS)
def failure_of_closed_clients(request):
    """Return a function that calls a model with closed clients of the user's own, and returns the error."""
    family = langchain_errors if request.param.startswith(("chat", "llm")) else errors
    client, async_client = httpx.Client(), httpx.AsyncClient()
    client.close()
    asyncio.run(async_client.aclose())

    def call():
        made = {"account_id": ACCOUNT, "api_token": TOKEN, "http_client": client, "http_async_client": async_client}
        with pytest.raises(family.InvalidRequestError) as caught:
            finished(lambda: CALLS[request.param](made))
        return caught.value

    return call


def test_a_connection_that_is_refused_may_be_tried_again(failure):
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}/client/v4", "ConnectionFailedError")
    assert "the connection to 127.0.0.1 failed" in str(error)
    assert error.is_retryable
