"""The routes of the playground, and who may use them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cf_llama_emulator.hosts import LOOPBACK_HOSTS, host_name
from cf_llama_emulator.playground.history import History
from cf_llama_emulator.playground.spending import Spending
from cf_llama_emulator.wire.writers import encode

ROOT = "/playground/"
"""Where the page's files and data are; the page itself is at `/`."""

SERVICE = f"{ROOT}service"
"""Where the page asks the real service, if there is an account for it."""

KEY_HEADER = "x-playground-key"
"""What shows that a request is the page's own."""

SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer."""

_PEERS = {"127.0.0.1", "::1"}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


class Playground:
    """Serves the page to this machine; everything else goes on to the emulator."""

    def __init__(self, app: ASGIApp, page: ASGIApp) -> None:
        """Serve `page` in front of `app`."""
        self._app, self._page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _is_for_the_page(scope):
            await self._app(scope, receive, send)
            return
        reason = refusal(scope)
        app = PlainTextResponse(f"{reason}\n", 403) if reason else self._page
        await app(scope, receive, _with_safe_headers(send))


class Page:
    """The handlers of the page's routes."""

    def __init__(self, config: Mapping[str, Any], history: History, spending: Spending) -> None:
        """Serve the page: its configuration, the requests it shows and their cost."""
        self._config, self._history, self._spending = config, history, spending
        folder = files(__package__).joinpath("static")
        self._files = {file.name: file.read_bytes() for file in folder.iterdir()}  # no request waits for a disk

    def app(self, service: ASGIApp | None) -> ASGIApp:
        """Return the ASGI application; `service` answers what the page asks the real service."""
        routes = [
            *([Route(SERVICE, service, methods=["POST"])] if service else []),
            Route(f"{ROOT}spending", self._spent),
            Route("/", self._page),
            Route(f"{ROOT}config.json", self._data),
            Route(f"{ROOT}requests", self._requests),
            Route(f"{ROOT}requests/{{number:int}}", self._request),
            Route(f"{ROOT}{{name}}", self._file),
        ]
        return Starlette(routes=routes)

    async def _page(self, _: Request) -> Response:
        return self._served("index.html")

    async def _file(self, request: Request) -> Response:
        return self._served(request.path_params["name"])

    async def _data(self, _: Request) -> Response:
        return _json(self._config)

    async def _spent(self, _: Request) -> Response:
        return _json(self._spending.shown())

    async def _requests(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not re.fullmatch("[0-9]{1,15}", after):
            return PlainTextResponse(f"after must be a whole number, not {after!r}.\n", 400)
        return _json(self._history.since(int(after), request.query_params.get("text", "")))

    async def _request(self, request: Request) -> Response:
        found = self._history.find(request.path_params["number"])
        return _json(found) if found else PlainTextResponse("This request is not kept.\n", 404)

    def _served(self, name: str) -> Response:
        if name not in self._files:
            return PlainTextResponse("There is no such file.\n", 404)
        return Response(self._files[name], media_type=_TYPES[name.rpartition(".")[2]])


def _json(content: Any) -> Response:
    return Response(encode(content), media_type="application/json")


def _is_for_the_page(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    return scope["path"].startswith(ROOT) or (scope["path"] == "/" and scope["method"] in ("GET", "HEAD"))


def _with_safe_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SAFE)
        await send(message)

    return sending


def refusal(scope: Scope) -> str | None:
    """Say why a request may not see the playground, or return None.

    The page knows the emulator's token and every request that came in: it is for a browser on this machine, under a
    loopback name, and no page from elsewhere may read or embed its data.
    """
    request = Request(scope)
    peer: Any = scope.get("client")
    if peer is not None and peer[0] not in _PEERS:
        return "The playground is served to this machine only."
    if host_name(request.headers) not in LOOPBACK_HOSTS:
        return f"The playground is served as one of {', '.join(sorted(LOOPBACK_HOSTS))} only."
    from_elsewhere = request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    navigates = scope["path"] == "/" and request.headers.get("sec-fetch-mode") == "navigate"
    return "Other pages may not use the playground." if from_elsewhere and not navigates else None
