"""The application: its routes and the order of its checks.

The order is the one that recorded answers show: path, method, credentials, JSON, model, schema, context window.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cf_llama_emulator.answers import envelope, json_response, stream, while_connected, whole
from cf_llama_emulator.asking import check_json_stream, read_ask
from cf_llama_emulator.auth import check_account_form, check_credentials, refusal_of_origin
from cf_llama_emulator.engines.base import Ask, Engine
from cf_llama_emulator.errors import ServiceError, bad_input, complaint, no_route, wrong_method
from cf_llama_emulator.models import catalogue_entry
from cf_llama_emulator.pieces import accounted
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.tokens import estimate_input
from cf_llama_emulator.validation import check_context, check_schema, parse_body
from cf_llama_emulator.wire import WRITERS

BODY_LIMIT = 10_000_000
"""Bytes of a request body (Cloudflare's batch page; nothing is stated for the other routes)."""


CLIENT_GONE = 499
"""The status, seen by nobody, of an answer whose client hung up."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; not printed, for they hold the token."""
    content: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The parsed JSON body.

        Raises:
            ValueError: when it is none.
        """
        return json.loads(self.content)


@dataclass
class Emulator:
    """The handlers of the routes, and the log of the requests that reached them."""

    engine: Engine
    settings: Settings = field(default_factory=Settings)
    requests: list[Seen] = field(default_factory=list)

    async def run(self, request: Request) -> Response:
        """Answer `POST …/ai/run/{model}`."""
        content = await self._admit(request)
        shape = request.headers.get("x-emulator-shape", self.settings.shape)
        if shape not in WRITERS:
            raise complaint(f"x-emulator-shape must be one of {', '.join(WRITERS)}, not {shape!r}")
        body, model = parse_body(content), request.path_params["model"]
        self._check_model(model)
        ask = read_ask(model, body, check_schema(body))
        return await self._answer(request, ask, body, shape, bare=False)

    async def chat_completions(self, request: Request) -> Response:
        """Answer `POST …/ai/v1/chat/completions`: always in the OpenAI shape, without envelope."""
        body = parse_body(await self._admit(request))
        if not isinstance(body.get("model"), str):
            raise bad_input("required properties at '/' are 'model'")
        self._check_model(body["model"])
        if "max_completion_tokens" in body:  # OpenAI's newer name, known to this route alone
            body.setdefault("max_tokens", body["max_completion_tokens"])
        ask = read_ask(body["model"], body, check_schema(body, ["messages"]))
        return await self._answer(request, ask, body, "openai", bare=True)

    async def search(self, request: Request) -> Response:
        """Answer `GET …/ai/models/search`: checks account and token at no cost."""
        await self._admit(request)
        wanted = request.query_params.get("search", "")
        found = [catalogue_entry(model) for model in self.settings.models if wanted in model]
        counts = {"count": len(found), "page": 1, "per_page": max(len(found), 1), "total_count": len(found)}
        return json_response(envelope(found) | {"result_info": counts})

    async def refuse_method(self, request: Request) -> Response:
        """Answer on routes of the OpenAI-compatible API that the service, or only the emulator, does not have."""
        await self._log(request)
        raise wrong_method(request.method)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer with a refusal, the router's own ones included."""
        if isinstance(error, HTTPException):
            await self._log(request)
            error = _front_refusal(request, error)
        if not isinstance(error, ServiceError):
            raise error
        return json_response(error.body(_request_id(request)), error.status, self._headers(request))

    async def _admit(self, request: Request) -> bytes:
        """Log the request and return its content, if the API front lets it through."""
        content = await self._log(request)
        check_account_form(request.url.path)
        account_id, right = request.path_params["account_id"], self.settings
        check_credentials(request.headers, account_id, token=right.api_token, account=right.account_id)
        request.state.admitted = True
        return content

    async def _log(self, request: Request) -> bytes:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > BODY_LIMIT:
                raise ServiceError(413, 3006, "Request is too large")
        query, headers = dict(request.query_params), dict(request.headers)
        self.requests.append(Seen(request.method, request.url.path, query, headers, bytes(content)))
        del self.requests[: -self.settings.log_length]
        return bytes(content)

    def _check_model(self, model: str) -> None:
        if model not in self.settings.models:
            raise ServiceError(400, 5007, f"No such model {model} or task")

    async def _answer(self, request: Request, ask: Ask, body: Mapping[str, Any], shape: str, *, bare: bool) -> Response:
        """Ask the engine, and answer whole or as a stream."""
        check_context(ask)
        if not self.settings.json_streams:
            check_json_stream(body)
        prompt_tokens = estimate_input(ask)
        writer = WRITERS[shape](ask.model, prompt_tokens, self.settings.coerce, self.settings.padding)
        pieces = accounted(self.engine.answer(ask), prompt_tokens)
        headers = self._headers(request)
        if body.get("stream"):
            answer = stream(pieces, writer, headers, _request_id(request))
        else:
            answer = whole(pieces, writer, headers, bare=bare)
        return await while_connected(request, answer) or Response(status_code=CLIENT_GONE)

    def _headers(self, request: Request) -> dict[str, str]:
        """Return the headers of an answer; those of the AI service only once the API front has let the request in."""
        headers = {"server": "cloudflare", "cf-ray": f"{uuid.uuid4().hex[:16]}-EMU"}
        if getattr(request.state, "admitted", False):
            headers |= {"cf-ai-req-id": _request_id(request), "x-emulator-engine": self.engine.name}
            if "cf-aig-gateway-id" in request.headers:
                headers |= _gateway_headers(request)
        return headers


def _front_refusal(request: Request, error: HTTPException) -> ServiceError:
    """Return what the API front says where the router finds no path or no method."""
    try:
        check_account_form(request.url.path)
    except ServiceError as refusal:
        return refusal
    return wrong_method(request.method) if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else no_route()


def _request_id(request: Request) -> str:
    """Return the request's id, made at the first asking."""
    if not hasattr(request.state, "request_id"):
        request.state.request_id = str(uuid.uuid4())
    return str(request.state.request_id)


def _gateway_headers(request: Request) -> dict[str, str]:
    """Return what AI Gateway adds to an answer that passed through it (AI Gateway documentation)."""
    return {
        "cf-aig-cache-status": "MISS",
        "cf-aig-log-id": str(uuid.uuid4()),
        "cf-aig-step": "0",
        "cf-aig-provider": "workers-ai",
        "cf-aig-model": request.path_params.get("model", ""),
    }


@dataclass
class LocalOnly:
    """Keeps web pages away from an emulator on their reader's machine."""

    app: ASGIApp
    settings: Settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or refuse it with 403 and a reason in plain text."""
        if scope["type"] == "http":
            headers = Request(scope).headers
            reason = refusal_of_origin(headers, self.settings.hosts, self.settings.origins)
            if reason is not None:
                await PlainTextResponse(reason + "\n", 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def create_app(emulator: Emulator) -> ASGIApp:
    """Return the ASGI application that serves `emulator`."""
    account = "/client/v4/accounts/{account_id}"
    routes = [
        Route(f"{account}/ai/run/{{model:path}}", emulator.run, methods=["POST"]),
        Route(f"{account}/ai/v1/chat/completions", emulator.chat_completions, methods=["POST"]),
        Route(f"{account}/ai/v1/{{rest:path}}", emulator.refuse_method),
        Route(f"{account}/ai/models/search", emulator.search, methods=["GET"]),
    ]
    handlers: Any = {HTTPException: emulator.refuse, ServiceError: emulator.refuse}
    service = Starlette(routes=routes, exception_handlers=handlers)
    service.router.redirect_slashes = False
    return LocalOnly(service, emulator.settings)
