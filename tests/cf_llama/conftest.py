"""A service that says exactly what a test tells it to, byte by byte over a real socket, and sync and async callers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from cf_llama import Settings, Transport
from cf_llama_emulator.server import serve

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "made-up-token-of-no-account"
SSE = "text/event-stream"


@dataclass
class Answer:
    """One scripted answer; `ending` says how the connection fares after the last chunk."""

    chunks: tuple[bytes, ...]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "whole"  # whole | cut (no last chunk) | reset | hang or drip (until the client goes away)


@dataclass
class Seen:
    """One request as it came over the wire."""

    path: str
    headers: httpx.Headers
    body: dict

    @property
    def last_message(self):
        return self.body["messages"][-1]["content"]


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.seen: list[Seen] = []
        self.connections = set()
        self.arrived = threading.Event()  # a request has come
        self.left = threading.Event()  # a client went away in the middle of an answer

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.server_port}/client/v4"

    def says(self, *chunks, **how):
        """Queue one answer: bytes as they are, anything else as JSON."""
        as_bytes = (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode() for chunk in chunks)
        self.script.put(Answer(tuple(as_bytes), **how))

    def streams(self, *events, done=True, **how):
        """Queue one stream, one chunk for each event."""
        chunks = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
        how["headers"] = {"content-type": SSE, **how.get("headers", {})}
        self.says(*chunks, *([b"data: [DONE]\n\n"] if done else []), **how)

    def replies(self, text="Hello"):
        """Queue one plain answer, whole, which a call for a stream takes as well."""
        self.says({"result": {"response": text}, "success": True, "errors": [], "messages": []})

    def refuses(self, status, code, **headers):
        """Queue one refusal that asks to be tried again at once, so that no test waits."""
        body = {"errors": [{"code": code, "message": "AiError: no"}], "success": False, "result": {}, "messages": []}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.says(body, status=status, headers={"retry-after": "0", **names})

    def handle_error(self, request, client_address):
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.connections.add(self.client_address)
        self.server.seen.append(Seen(self.path, httpx.Headers(self.headers.items()), json.loads(body)))
        self.server.arrived.set()
        answer = self.server.script.get_nowait()
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in filter(None, answer.chunks):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.finish_as(answer.ending)

    def finish_as(self, ending):
        if ending == "whole":
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if ending == "hang":
            self.connection.settimeout(5)
            with contextlib.suppress(TimeoutError):
                try:
                    gone = not self.connection.recv(1)
                except ConnectionError:  # whoever leaves with something unread leaves by a reset
                    gone = True
                if gone:
                    self.server.left.set()
        if ending == "drip":
            with contextlib.suppress(ConnectionError):
                while True:
                    self.wfile.write(b"1\r\n\n\r\n")
                    time.sleep(0.01)
            self.server.left.set()
        if ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *arguments):
        """Tests print nothing."""


@pytest.fixture
def service():
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield service
        service.shutdown()
        thread.join()


@pytest.fixture
def settings(service):
    """Settings for the scripted service, with whatever else a test wants."""

    def make(**changes):
        return Settings(**{"account_id": ACCOUNT, "api_token": TOKEN, "base_url": service.base_url} | changes)

    return make


class Sync:
    """Calls a transport the way plain code does."""

    name = "sync"

    def run(self, transport, request):
        return transport.run(request)

    def stream(self, transport, request):
        return list(transport.stream(request))

    def first(self, transport, request):
        """The first delta of a stream that is then closed."""
        with contextlib.closing(transport.stream(request)) as stream:
            return next(stream)


class Async:
    """Calls a transport inside an event loop of its own."""

    name = "async"

    def run(self, transport, request):
        return asyncio.run(transport.arun(request))

    def stream(self, transport, request):
        async def collect():
            return [delta async for delta in transport.astream(request)]

        return asyncio.run(collect())

    def first(self, transport, request):
        async def take():
            async with contextlib.aclosing(transport.astream(request)) as stream:
                return await anext(stream)

        return asyncio.run(take())


@pytest.fixture(params=[Sync, Async], ids=lambda caller: caller.name)
def caller(request):
    return request.param()


@pytest.fixture(params=["run", "stream"])
def ask(request, caller):
    """Get the whole reply, asked for whole and as a stream, sync and async."""

    def whole(transport, question):
        if request.param == "run":
            return caller.run(transport, question)
        return caller.stream(transport, question)[-1].reply

    return whole


@pytest.fixture
def transport(settings):
    """A transport to the scripted service on the shared client."""

    def make(**changes):
        return Transport(settings(**changes).connection())

    return make


@pytest.fixture
def emulator(monkeypatch):
    """A running emulator, and the environment that leads to it."""
    with serve() as running:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", running.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", running.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", running.api_token)
        yield running
