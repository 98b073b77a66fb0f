"""The binding `env.AI` of a Worker, without a bridge: what miniflare sends to a remote proxy becomes a call of the API.

miniflare wraps each request of the binding in one to its `remoteProxyConnectionString`: `MF-URL` is where it would have
gone, `MF-Header-*` are its headers. Its code is open source: cloudflare/workers-sdk, `remote-proxy-client.worker.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cf_llama_emulator.faults import HEADER
from cf_llama_emulator.faults.error_formats import binding_error
from cf_llama_emulator.server.control import PREFIX, refusal_of_stranger
from cf_llama_emulator.server.request_context import check_size, read_request
from cf_llama_emulator.server.request_log import LoggedRequest
from cf_llama_emulator.server.responses import json_response
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN, Settings
from cf_llama_emulator.wire.errors import EMULATOR_CODE, ServiceError, emulator_error

PATH = f"{PREFIX}/binding"
FORWARDED = "mf-forwarded-response"
"""Header by which miniflare knows an answer of the service from one of something in between."""

GATEWAY_OPTIONS = {
    "id": "cf-aig-gateway-id",
    "cacheKey": "cf-aig-cache-key",
    "cacheTtl": "cf-aig-cache-ttl",
    "skipCache": "cf-aig-skip-cache",
    "collectLog": "cf-aig-collect-log",
    "eventId": "cf-aig-event-id",
    "requestTimeoutMs": "cf-aig-request-timeout",
    "metadata": "cf-aig-metadata",
}
_WRAPPED = "mf-header-"
_DROPPED = {"content-length", "host", "origin"}


@dataclass(frozen=True, slots=True)
class APIRequest:
    """A request to the REST API."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes = b""


class RemoteBinding:
    """Serves the binding to this machine; everything else goes on to the emulator."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Let `app` answer what the binding asks."""
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        request, send = Request(scope, receive), _marking(send)
        try:
            called = api_request(await self._read(request), self._settings)
        except ClientDisconnect:
            return
        except ServiceError as error:
            entry = {"code": error.code, "message": error.text}  # which toMarkdown reads
            refusal = json_response(binding_error(error) | {"errors": [entry]}, error.status)
            await refusal(scope, receive, send)
            return
        await self._app(_scope_of(called, scope), _receiving(called.content, receive), send)

    async def _read(self, request: Request) -> LoggedRequest:
        if reason := refusal_of_stranger(request, self._settings):
            raise ServiceError(403, EMULATOR_CODE, reason)
        came = await read_request(request)
        check_size(came.content)
        return came


def api_request(wrapped: LoggedRequest, settings: Settings) -> APIRequest:
    """Return the call of the REST API that a request of the binding represents.

    Raises:
        ServiceError: the request is not one of miniflare, or the emulator cannot answer it.
    """
    if "mf-url" not in wrapped.headers:
        raise emulator_error(f"{PATH} is for remoteProxyConnectionString of miniflare, which sends a header MF-URL")
    try:
        url = urlsplit(wrapped.headers["mf-url"])
    except ValueError as error:
        raise emulator_error(f"MF-URL is no URL: {error}") from error
    unwrapped = {
        name.removeprefix(_WRAPPED): value for name, value in wrapped.headers.items() if name.startswith(_WRAPPED)
    }
    headers = {name: value for name, value in unwrapped.items() if name not in _DROPPED}
    headers["authorization"] = f"Bearer {settings.api_token or API_TOKEN}"
    api = f"/client/v4/accounts/{settings.account_id or ACCOUNT_ID}/ai"
    if url.path.endswith("/models/search"):
        return APIRequest("GET", f"{api}/models/search", url.query, headers)
    is_run = wrapped.method == "POST" and url.path.endswith("/run") and "/gateways/" not in url.path
    if not is_run or unwrapped.get("content-type") != "application/json":
        detail = "the emulator's binding has run() with JSON and models(), and nothing else"
        raise ServiceError(501, EMULATOR_CODE, detail)

    inputs, options = _read_body(wrapped.content)
    if options.get("rejectIfBusy"):
        inputs = {**inputs, "options": {**_object(inputs, "options"), "rejectIfBusy": True}}
    headers |= dict(_gateway_headers(_object(options, "gateway")))
    bare = "bare, form=binding"  # answers and errors without Cloudflare's envelope
    headers[HEADER] = f"{headers[HEADER]}, {bare}" if HEADER in headers else bare
    model = unwrapped.get("cf-consn-model-id", "").rpartition(":")[2]
    query = "queueRequest=true" if options.get("queueRequest") else ""
    return APIRequest("POST", f"{api}/run/{model}", query, headers, json.dumps(inputs).encode())


def _read_body(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise emulator_error("the binding's request is not valid JSON") from error
    inputs, options = (body.get("inputs"), body.get("options") or {}) if isinstance(body, dict) else (None, None)
    if not isinstance(inputs, dict) or not isinstance(options, dict):
        raise emulator_error("inputs and options of run() must be objects")
    return inputs, options


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name) or {}
    if not isinstance(value, dict):
        raise emulator_error(f"{name} must be an object")
    return value


def _gateway_headers(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for option, name in GATEWAY_OPTIONS.items():
        value = options.get(option)
        if value is not None:
            yield name, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _scope_of(called: APIRequest, scope: Scope) -> Scope:
    """Return the scope of a call; host and origin stay those of the request that came."""
    kept = [(name, value) for name, value in scope["headers"] if name in (b"host", b"origin")]
    headers = {**called.headers, "content-length": str(len(called.content))}
    return {
        **scope,
        "method": called.method,
        "path": called.path,
        "raw_path": quote(called.path).encode(),
        "query_string": called.query.encode(),
        "headers": [*kept, *((name.encode(), _header_bytes(value)) for name, value in headers.items())],
    }


def _header_bytes(value: str) -> bytes:
    """Return a header as it came; what no header can hold, an option of a gateway may."""
    return value.encode("latin-1", "backslashreplace")


def _receiving(content: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the content first, then what the client does."""
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


def _marking(send: Send) -> Send:
    async def marking(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[FORWARDED] = "true"
        await send(message)

    return marking
