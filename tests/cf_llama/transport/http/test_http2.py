"""HTTP/2 where it is installed: with a client of one's own, against a real server that speaks it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading

import httpx
import pytest
import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

from cf_llama import ChatRequest, Transport
from cf_llama.transport.http import clients

pytestmark = pytest.mark.usefixtures("both_event_loops")

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
STREAM = [b'data: {"response":"Hel"}\n\n', b'data: {"response":"lo"}\n\n', b"data: [DONE]\n\n"]


async def app(scope, receive, send):
    """Answers whole or as a stream, and tells which HTTP it was asked in."""
    body = b""
    more = scope["type"] == "http"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if not body:
        return
    chunks = STREAM if json.loads(body).get("stream") else [b'{"response":"Hello"}']
    headers = [(b"cf-ray", scope["http_version"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("certificates")
    own = authority.issue_cert("localhost")
    own.private_key_pem.write_to_path(folder / "key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder


@pytest.fixture(scope="module")
def base_url(certificates):
    """Of a server that runs in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = Config.from_mapping(certfile=str(certificates / "own.pem"), keyfile=str(certificates / "key.pem"))
    config.graceful_timeout = config.shutdown_timeout = 0.1
    config.bind = [f"fd://{listening.detach()}"]
    loop, end = asyncio.new_event_loop(), asyncio.Event()
    server = threading.Thread(target=loop.run_until_complete, args=(serve(app, config, shutdown_trigger=end.wait),))
    server.start()
    yield f"https://localhost:{port}/client/v4"
    loop.call_soon_threadsafe(end.set)
    server.join()
    loop.close()


@pytest.fixture
def trusted(certificates):
    return ssl.create_default_context(cafile=str(certificates / "authority.pem"))


def test_in_threads(base_url, trusted, settings):
    with httpx.Client(http2=True, verify=trusted) as client:
        transport = Transport(settings(base_url=base_url).connection(), client)
        reply, streamed = transport.run(HI), list(transport.stream(HI))[-1].reply
    assert [reply.text, streamed.text] == ["Hello"] * 2
    assert [reply.response_metadata.ray_id, streamed.response_metadata.ray_id] == ["2"] * 2


async def test_in_tasks_at_once_over_one_connection(base_url, trusted, settings):
    async with httpx.AsyncClient(http2=True, verify=trusted) as client:
        transport = Transport(settings(base_url=base_url).connection(), async_client=client)
        replies = await asyncio.gather(*(transport.arun(HI) for _ in range(20)))
        streamed = [delta async for delta in transport.astream(HI)][-1].reply
    assert {(reply.text, reply.response_metadata.ray_id) for reply in [*replies, streamed]} == {("Hello", "2")}


def test_the_shared_client_speaks_http_1(base_url, settings, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "authority.pem"))
    clients._tls.cache_clear()
    try:
        reply = Transport(settings(base_url=base_url, max_connections=7).connection()).run(HI)
    finally:
        clients.close()
        clients._tls.cache_clear()
    assert (reply.text, reply.response_metadata.ray_id) == ("Hello", "1.1")
