"""The application: its routes and the order of its checks.

The order is the one that recorded answers show: path, method, credentials, JSON, model, schema, context window.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cf_llama_emulator.answers import announced, disturbed, envelope, json_response, stream, while_connected, whole
from cf_llama_emulator.asking import check_json_stream, read_ask
from cf_llama_emulator.auth import check_account_form, check_credentials
from cf_llama_emulator.engines.base import Ask, End, Engine, Piece
from cf_llama_emulator.errors import ServiceError, bad_input, complaint, no_route, wrong_method
from cf_llama_emulator.faults import HEADER, NO_FAULTS, Fate, Plan, combined
from cf_llama_emulator.faults.catalogue import BARE, JSON_ANSWER
from cf_llama_emulator.faults.forms import written
from cf_llama_emulator.faults.limits import Spending
from cf_llama_emulator.faults.queue import ACCEPTED
from cf_llama_emulator.gateway import Cache, cache_key, gateway_headers
from cf_llama_emulator.line import line_of
from cf_llama_emulator.models import catalogue_entry
from cf_llama_emulator.origins import LocalOnly
from cf_llama_emulator.pieces import accounted
from cf_llama_emulator.queueing import Queue
from cf_llama_emulator.seen import Seen
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.tokens import estimate_input, neurons
from cf_llama_emulator.validation import check_context, check_schema, parse_body
from cf_llama_emulator.wire import WRITERS

BODY_LIMIT = 10_000_000
"""Bytes of a request body (Cloudflare's batch page; nothing is stated for the other routes)."""


CLIENT_GONE = 499
"""The status, seen by nobody, of an answer whose client hung up."""


@dataclass
class Emulator:
    """The handlers of the routes, and the log of the requests that reached them."""

    engine: Engine
    settings: Settings = field(default_factory=Settings)
    requests: list[Seen] = field(default_factory=list)
    coming_faults: deque[str] = field(default_factory=deque)
    """What goes wrong with the next requests, one text for each."""
    spending: Spending = field(default_factory=Spending)
    cache: Cache = field(default_factory=Cache)
    fate: Fate = field(default_factory=Fate)

    def __post_init__(self) -> None:
        if isinstance(self.settings.faults, str):
            combined([self.settings.faults])  # raises for what it cannot be
        self.queue = Queue(self.engine, self.settings, self._spend)

    def clear(self) -> None:
        """Forget all that has been but batches: requests, what they spent, answers that were kept, faults to come."""
        self.requests.clear()
        self.coming_faults.clear()
        self.spending, self.cache, self.fate = Spending(), Cache(), Fate()

    async def run(self, request: Request) -> Response:
        """Answer `POST …/ai/run/{model}`."""
        content = await self._admit(request)
        body, model = parse_body(content), request.path_params["model"]
        self._check_model(model)
        if request.query_params.get("queueRequest") == "true" or "request_id" in body:
            return await self._queued(request, model, body)
        ask = read_ask(model, body, check_schema(body))
        return await self._answer(request, ask, body, content)

    async def _queued(self, request: Request, model: str, body: Mapping[str, Any]) -> Response:
        """Take a batch, or tell how one stands; to ask for one does not count for the rate limit."""
        polls, plan = "request_id" in body, _plan(request)
        plan.refuse(Spending() if polls else self.spending)
        result = self.queue.poll(body["request_id"]) if polls else self.queue.submit(model, body, plan)
        status = HTTPStatus.ACCEPTED if ACCEPTED in plan and not polls else HTTPStatus.OK
        return await self._delivered(request, json_response(envelope(result), status, self._headers(request)))

    async def chat_completions(self, request: Request) -> Response:
        """Answer `POST …/ai/v1/chat/completions`: always in the OpenAI shape, without envelope."""
        content = await self._admit(request)
        body = parse_body(content)
        if not isinstance(body.get("model"), str):
            raise bad_input("required properties at '/' are 'model'")
        self._check_model(body["model"])
        if "max_completion_tokens" in body:  # OpenAI's newer name, known to this route alone
            body.setdefault("max_tokens", body["max_completion_tokens"])
        ask = read_ask(body["model"], body, check_schema(body, ["messages"]))
        return await self._answer(request, ask, body, content)

    async def search(self, request: Request) -> Response:
        """Answer `GET …/ai/models/search`: checks account and token at no cost."""
        await self._admit(request)
        _plan(request).refuse(self.spending)
        wanted = request.query_params.get("search", "")
        found = [catalogue_entry(model) for model in self.settings.models if wanted in model]
        counts = {"count": len(found), "page": 1, "per_page": max(len(found), 1), "total_count": len(found)}
        return await self._delivered(request, json_response(envelope(found) | {"result_info": counts}))

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
        error = _plan(request).refusal(error)
        content, kind = written(error, _request_id(request))
        return await self._delivered(request, Response(content, error.status, self._headers(request), kind))

    async def _admit(self, request: Request) -> bytes:
        """Log the request and return its content, if the API front lets it through."""
        content = await self._log(request)
        check_account_form(request.url.path)
        account_id, right = request.path_params["account_id"], self.settings
        check_credentials(request.headers, account_id, token=right.api_token, account=right.account_id)
        request.state.admitted = True
        self._befall(request, self._chosen_faults(request))
        return content

    def _chosen_faults(self, request: Request) -> list[str]:
        """Return what shall go wrong: with every request, with the next one, and with this one by its header."""
        faults = self.settings.faults
        each = faults if isinstance(faults, str) else faults(request.state.seen)
        coming = self.coming_faults.popleft() if self.coming_faults else ""
        return [each, coming, request.headers.get(HEADER, "")]

    def _befall(self, request: Request, texts: list[str]) -> None:
        try:
            plan = combined(texts)
        except ValueError as error:
            raise complaint(str(error)) from None
        request.state.plan = self.fate.still(plan, request.state.seen.content).over(_plan(request))

    async def _log(self, request: Request) -> bytes:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > BODY_LIMIT:
                raise ServiceError(413, 3006, "Request is too large")
        query, headers = dict(request.query_params), dict(request.headers)
        request.state.seen = Seen(request.method, request.url.path, query, headers, bytes(content))
        self.requests.append(request.state.seen)
        del self.requests[: max(0, len(self.requests) - self.settings.log_length)]
        return bytes(content)

    def _check_model(self, model: str) -> None:
        if model not in self.settings.models:
            raise ServiceError(400, 5007, f"No such model {model} or task")

    async def _answer(self, request: Request, ask: Ask, body: Mapping[str, Any], content: bytes) -> Response:
        """Refuse or ask the engine; in vain once the client has hung up."""
        check_context(ask)
        if not self.settings.json_streams:
            check_json_stream(body)
        _plan(request).refuse(self.spending)
        key = cache_key(request.headers, request.url.path, content)
        if (kept := self.cache.find(key)) is not None:
            return await self._delivered(request, kept)
        answer = await while_connected(request, self._think(request, ask, streams=bool(body.get("stream"))))
        if answer is None:
            return Response(status_code=CLIENT_GONE)
        return await self._delivered(request, self.cache.keeping(key, request.headers, answer))

    async def _think(self, request: Request, ask: Ask, *, streams: bool) -> Response:
        """Ask the engine, and answer whole or as a stream."""
        prompt_tokens = estimate_input(ask)
        faults, pieces = await announced(accounted(self.engine.answer(ask), prompt_tokens))
        try:
            if faults is not None:
                self._befall(request, [faults.text])
                _plan(request).refuse(self.spending)
            plan, settings = _plan(request), _plan(request).settings(self.settings)
            writer = WRITERS[_shape(request, settings)](ask.model, prompt_tokens, settings.coerce, settings.padding)
        except ServiceError:
            await pieces.aclose()
            raise
        pieces, writer = self._charged(plan.pieces(pieces)), plan.writer(writer)
        if streams and JSON_ANSWER not in plan:
            return await stream(pieces, writer, self._headers(request), _request_id(request))
        bare = BARE in plan or "model" not in request.path_params
        return await whole(pieces, writer, self._headers(request), bare=bare)

    async def _charged(self, pieces: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """Yield `pieces` and count what they cost."""
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, End):
                    self._spend(neurons(piece.prompt_tokens or 0, piece.completion_tokens or 0))
                yield piece

    def _spend(self, cost: float) -> None:
        self.spending.spend(cost)  # of now: `clear` begins another

    async def _delivered(self, request: Request, response: Response) -> Response:
        """Return an answer as it goes out."""
        line = line_of(request.scope)
        await while_connected(request, _plan(request).begin(line))
        return disturbed(response, _plan(request), line)

    def _headers(self, request: Request) -> dict[str, str]:
        """Return the headers of an answer; those of the AI service only once the API front has let the request in."""
        headers = {"server": "cloudflare", "cf-ray": f"{uuid.uuid4().hex[:16]}-EMU"}
        if getattr(request.state, "admitted", False):
            headers |= {"cf-ai-req-id": _request_id(request), "x-emulator-engine": self.engine.name}
            headers |= gateway_headers(request.headers, request.path_params.get("model", ""))
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


def _plan(request: Request) -> Plan:
    """Return the faults that befall a request."""
    plan: Plan = getattr(request.state, "plan", NO_FAULTS)
    return plan


def _shape(request: Request, settings: Settings) -> str:
    """Return the shape to answer in: OpenAI's on its own route."""
    if "model" not in request.path_params:
        return "openai"
    shape = request.headers.get("x-emulator-shape", settings.shape)
    if shape not in WRITERS:
        raise complaint(f"x-emulator-shape must be one of {', '.join(WRITERS)}, not {shape!r}")
    return shape


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
