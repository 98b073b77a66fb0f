"""A proxy on this machine that records what the service answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cf_llama_emulator.cassettes.format import CassetteError
from cf_llama_emulator.cassettes.recorder import AsyncRecorderTransport, Recorder
from cf_llama_emulator.cassettes.replay import request_key
from cf_llama_emulator.server.access_log import AccessLog, AccessLogEntry
from cf_llama_emulator.server.app import METHODS
from cf_llama_emulator.server.forwarding import (
    ForwardingError,
    aborted_by_failures,
    answer_headers,
    forward,
    request_headers,
)
from cf_llama_emulator.server.host_guard import LocalOnly
from cf_llama_emulator.server.replay import note_details
from cf_llama_emulator.server.responses import EventStream
from cf_llama_emulator.server.threaded import LOOPBACK, RunningServer
from cf_llama_emulator.settings import UPSTREAM, Settings

_GATEWAY = httpx.URL("https://gateway.ai.cloudflare.com")
"""The gateway's own host, which has the paths that begin with `/v1/`."""

_BASE = "/client/v4/"
_TIMEOUT = httpx.Timeout(None, connect=30)
"""The client of the proxy decides how long it waits for an answer."""


class RecordingProxy(RunningServer):
    """A started proxy in front of the service, which records its answers."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        upstream: str = UPSTREAM,
        port: int = 0,
        access_log: Callable[[AccessLogEntry], None] | None = None,
    ) -> None:
        """Listen on loopback until `close`.

        Args:
            recorder: What records; the requests that it has an answer for are not sent.
            upstream: The service's base URL, ending in `/client/v4`, or that of a server of the same routes.
            port: The port to listen on; 0 takes a free one.
            access_log: Called for each request, once its answer has ended.

        Raises:
            CassetteError: `upstream` is no http or https URL, or has a user name.
            OSError: the port is taken.
        """
        self._recorder = recorder
        super().__init__(_app(recorder, read_upstream(upstream), access_log), LOOPBACK, port, lifespan="on")

    def close(self) -> None:
        """Stop; answers under way are cut off after a second, and not recorded."""
        self._recorder.close()
        super().close()


def read_upstream(url: str) -> httpx.URL:
    """Return a base URL without a slash at its end.

    Raises:
        CassetteError: it is no http or https URL, or has a user name.
    """
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL:
        read = httpx.URL()
    if read.scheme not in {"http", "https"} or not read.host or read.userinfo or read.query:
        raise CassetteError("upstream must be an http or https URL, without user name and query")
    return read.copy_with(path=read.path.rstrip("/"))


def target_of(path: bytes, query: bytes, upstream: httpx.URL) -> httpx.URL:
    """Return where a request goes: below `upstream` what comes below `/client/v4`, to its host everything else."""
    if path.startswith(_BASE.encode()):
        path = upstream.raw_path.rstrip(b"/") + path[len(_BASE) - 1 :]
    elif upstream == httpx.URL(UPSTREAM) and path.startswith(b"/v1/"):
        upstream = _GATEWAY
    return upstream.copy_with(raw_path=path + (b"?" + query if query else b""))


def _app(recorder: Recorder, upstream: httpx.URL, access_log: Callable[[AccessLogEntry], None] | None) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with AsyncRecorderTransport(recorder) as transport:
            yield {"transport": transport, "upstream": upstream}

    app = LocalOnly(Starlette(routes=[Route("/{path:path}", _forward, methods=METHODS)], lifespan=lifespan), Settings())
    return AccessLog(app, lambda entry, _: access_log(entry)) if access_log else app


async def _forward(request: Request) -> Response:
    content, scope = await request.body(), request.scope
    note_details(request, request_key(request.method, request.url.path, request.url.query, content))
    raw_path = scope.get("raw_path") or scope["path"].encode()
    outgoing = httpx.Request(
        request.method,
        target_of(raw_path, scope["query_string"], request.state.upstream),
        headers=request_headers(request.headers.raw),
        content=content,
        extensions={"timeout": _TIMEOUT.as_dict()},
    )
    try:
        response = await forward(request, outgoing, request.state.transport)
    except ForwardingError as error:
        return error.response("record")
    passed_on = EventStream(aborted_by_failures(_raw(response), response), response.status_code)
    passed_on.raw_headers = answer_headers(response.headers.raw)
    return passed_on


async def _raw(response: httpx.Response) -> AsyncGenerator[bytes]:
    async for chunk in response.stream:  # type: ignore[union-attr] # an asynchronous one
        yield chunk
