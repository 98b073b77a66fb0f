"""Request handlers of the emulator, and the order of their checks.

The order is the one that recorded answers show: path, method, credentials, JSON, model, schema, context window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cf_llama_emulator.batch_queue import Queue
from cf_llama_emulator.engines.script import ScriptableEngine
from cf_llama_emulator.faults import HEADER, NO_FAULTS, FaultState, Plan, combined
from cf_llama_emulator.faults.catalogue import BARE, BUSY, JSON_ANSWER, STOP, WINDOW
from cf_llama_emulator.faults.connection import connection_of
from cf_llama_emulator.faults.error_formats import error_body
from cf_llama_emulator.faults.limits import UsageCounter
from cf_llama_emulator.faults.queue_faults import ACCEPTED
from cf_llama_emulator.server.ai_gateway import Cache, at_gateway, cache_key
from cf_llama_emulator.server.auth import check_account_form, check_credentials
from cf_llama_emulator.server.replay import cassette_of, find_for_anyone, find_recorded, recorded_response
from cf_llama_emulator.server.request_context import (
    capacity,
    check_size,
    front_refusal,
    gateway_of,
    headers_of,
    is_openai,
    on_gateway_host,
    plan_of,
    read_request,
    request_id,
    shape_of,
)
from cf_llama_emulator.server.request_log import RequestLog
from cf_llama_emulator.server.responses import (
    envelope,
    json_answer,
    json_response,
    stream,
    take_faults,
    while_connected,
    with_faults,
)
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.chunks import stop_at_words, with_usage
from cf_llama_emulator.wire.engine_protocol import End, Engine, EngineRequest, Piece
from cf_llama_emulator.wire.errors import (
    EMULATOR_CODE,
    FrontError,
    ServiceError,
    bad_input,
    emulator_error,
    wrong_method,
)
from cf_llama_emulator.wire.models import catalogue_page
from cf_llama_emulator.wire.parse_request import check_json_stream, parse_request, stop_words
from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW, estimate_input, neurons
from cf_llama_emulator.wire.validation import FORMS, check_context, check_schema, parse_body

CLIENT_GONE = 499
"""Status of a response whose client has disconnected."""


@dataclass
class Emulator:
    """The handlers of the routes, and the log of the requests that reached them."""

    engine: Engine
    settings: Settings = field(default_factory=Settings)
    next_faults: deque[str] = field(default_factory=deque)
    """Faults of the next requests, one text per request."""
    always: str = ""
    """Faults of every request, beside those of the settings."""
    usage: UsageCounter = field(default_factory=UsageCounter)
    cache: Cache = field(default_factory=Cache)
    fault_state: FaultState = field(default_factory=FaultState)

    def __post_init__(self) -> None:
        if isinstance(self.settings.faults, str):
            combined([self.settings.faults])  # raises for what it cannot be
        self.requests = RequestLog(self.settings.log_length, self.settings.log_bytes)
        self.scripted = ScriptableEngine(self.engine)
        self.queue = Queue(self.scripted, self.settings, self.spend)
        self.replayer = cassette_of(self.settings)

    def clear(self) -> None:
        """Reset the request log, script, usage, cache and pending faults. Batches are kept."""
        self.requests.clear()
        self.scripted.clear()
        self.next_faults.clear()
        self.always = ""
        self.usage, self.cache, self.fault_state = UsageCounter(), Cache(), FaultState()

    async def run(self, request: Request) -> Response:
        """Answer `POST …/ai/run/{model}`."""
        content = await self.admit(request)
        body, model = parse_body(content), request.path_params["model"]
        self.check_model(request, model)
        if request.query_params.get("queueRequest") == "true" or "request_id" in body:
            return await self._queued(request, model, body)
        return await self._handle(request, model, body, content)

    async def run_any(self, request: Request) -> Response:
        """Answer `POST …/ai/run` with the model in the body; this route has its own error responses."""
        content = await self.admit(request)
        body = parse_body(content)
        model, model_input = body.get("model"), body.get("input")
        if not isinstance(model, str) or not isinstance(model_input, dict):
            raise ServiceError(400, 7003, "User Input Error").with_changes(form="run")
        request.state.model = model
        if model not in self.settings.models:
            raise ServiceError(404, 7003, "Model not found").with_changes(form="run")
        return await self._handle(request, model, model_input, content)

    async def _queued(self, request: Request, model: str, body: Mapping[str, Any]) -> Response:
        """Submit or poll a batch; polls do not count towards the rate limit."""
        polls, plan = "request_id" in body, plan_of(request)
        plan.refuse(UsageCounter() if polls else self.usage)
        result = self.queue.poll(body["request_id"]) if polls else self.queue.submit(model, body, plan)
        status = HTTPStatus.ACCEPTED if ACCEPTED in plan and not polls else HTTPStatus.OK
        answer = result if BARE in plan else envelope(result)
        return await self.deliver(request, json_response(answer, status, self.headers(request)))

    async def chat_completions(self, request: Request) -> Response:
        """Answer `POST …/ai/v1/chat/completions`: always in the OpenAI shape, without envelope."""
        content, body = await self._openai(request)
        if "max_completion_tokens" in body:  # OpenAI's newer name, known to this route alone
            body.setdefault("max_tokens", body["max_completion_tokens"])
        return await self._handle(request, body["model"], body, content, ["messages"])

    async def responses(self, request: Request) -> Response:
        """Reject `POST …/ai/v1/responses`, which these models do not support."""
        await self._openai(request)
        raise bad_input("required properties at '/' are 'messages'")

    async def _openai(self, request: Request) -> tuple[bytes, dict[str, Any]]:
        """Return content and body of a request to an OpenAI-compatible route after checking its model."""
        content = await self.admit(request)
        body = parse_body(content)
        if not isinstance(body.get("model"), str):
            raise bad_input("required properties at '/' are 'model'")
        self.check_model(request, body["model"])
        return content, body

    async def search(self, request: Request) -> Response:
        """Answer `GET …/ai/models/search`: checks account and token at no cost."""
        await self.admit(request)
        plan_of(request).refuse(self.usage)
        found, counts = catalogue_page(self.settings.models, request.query_params)
        answer = json_response(envelope(found) | {"result_info": counts}, headers=self.headers(request))
        return await self.deliver(request, answer)

    async def replay(self, request: Request) -> Response:
        """Answer any request with what a cassette has for it; refusals and faults apply as usual."""
        try:
            content = await self.admit(request)
        except FrontError as refusal:
            exchange = find_for_anyone(request, refusal, self.replayer, self.settings)
        else:
            await self.begin(request, {})
            exchange = find_recorded(request, content, self.replayer)
        return await self.deliver(request, recorded_response(exchange, self.headers(request), self.settings))

    async def refuse_method(self, request: Request) -> Response:
        """Reject routes of the OpenAI-compatible API that do not exist here."""
        await self._log(request)
        raise wrong_method(request.method)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer with an error response, also for errors of the router."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=CLIENT_GONE)
        if isinstance(error, HTTPException):
            with suppress(ClientDisconnect):
                await self._log(request)
            error = front_refusal(request, error)
        if isinstance(error, RecursionError):
            error = bad_input("the request body is nested too deeply")
        if not isinstance(error, ServiceError):
            raise error
        if error.code == EMULATOR_CODE:  # no fault may make a client try again what can never succeed
            request.state.plan = NO_FAULTS
        error = plan_of(request).refusal(at_gateway(error) if on_gateway_host(request) else error)
        content, kind = error_body(error, request_id(request))
        return await self.deliver(request, Response(content, error.status, self.headers(request), kind))

    async def admit(self, request: Request) -> bytes:
        """Log the request, check its credentials and return its content."""
        content = await self._log(request)
        check_account_form(request.url.path)
        account_id, right = request.path_params["account_id"], self.settings
        check_credentials(request.headers, account_id, token=right.api_token, account=right.account_id)
        check_size(content)
        request.state.admitted = True
        self._apply_faults(request, self._chosen_faults(request))
        return content

    def _chosen_faults(self, request: Request) -> list[str]:
        """Return the faults of every request, of the next one, and of this one's header."""
        faults = self.settings.faults
        each = faults if isinstance(faults, str) else faults(request.state.read_request)
        coming = self.next_faults.popleft() if self.next_faults else ""
        return [each, self.always, coming, *request.headers.getlist(HEADER)]

    def _apply_faults(self, request: Request, texts: list[str]) -> Plan:
        """Add faults to a request and return them."""
        try:
            plan = self.fault_state.still(combined(texts), request.state.read_request.content)
        except ValueError as error:
            raise emulator_error(str(error)) from None
        request.state.plan = plan.over(plan_of(request))
        return plan

    async def _log(self, request: Request) -> bytes:
        request.state.read_request = came = await read_request(request)
        self.requests.remember(came)
        return came.content

    async def begin(self, request: Request, body: Mapping[str, Any]) -> None:
        """Refuse a checked request by its faults; otherwise count it as being answered until its answer has ended."""
        plan, usage = plan_of(request), self.usage
        plan.refuse(usage)
        usage.under_way += 1

        def end() -> None:
            usage.under_way -= 1

        request.state.end = end
        if BUSY in plan:
            await capacity(request, body, plan.values[BUSY])

    def check_model(self, request: Request, model: str) -> None:
        """Refuse a text generation model that does not exist with 400/5007."""
        request.state.model = model
        if model not in self.settings.models:
            raise ServiceError(400, 5007, f"No such model {model} or task")

    async def _handle(
        self, request: Request, model: str, body: dict[str, Any], content: bytes, forms: Iterable[str] = FORMS
    ) -> Response:
        """Validate a body and answer it."""
        plan, request.state.stream = plan_of(request), body.get("stream") is True
        body = plan.change_body(body)
        engine_request = parse_request(model, body, check_schema(body, forms))
        check_context(engine_request, plan.values.get(WINDOW, CONTEXT_WINDOW))
        if not plan.settings(self.settings).json_streams:
            check_json_stream(body)
        await self.begin(request, body)
        return await self.answer(request, content, partial(self._generate, request, engine_request, body))

    async def answer(self, request: Request, content: bytes, generate: Callable[[], Awaitable[Response]]) -> Response:
        """Answer from the cache or by `generate`; stop if the client disconnects."""
        key = cache_key(request.headers, gateway_of(request), request.url.path, content)
        if (cached := self.cache.find(key)) is not None:
            return await self.deliver(request, cached)
        answer = await while_connected(request, generate())
        if answer is None:
            return Response(status_code=CLIENT_GONE)
        return await self.deliver(request, self.cache.keeping(key, request.headers, answer))

    async def _generate(self, request: Request, engine_request: EngineRequest, body: Mapping[str, Any]) -> Response:
        """Generate an answer, whole or as a stream."""
        prompt_tokens = estimate_input(engine_request)
        faults, pieces = await take_faults(with_usage(self.scripted.answer(engine_request), prompt_tokens))
        try:
            if faults is not None:
                self._apply_faults(request, [faults.text]).refuse(self.usage)
            plan = plan_of(request)
            settings = plan.settings(self.settings)
            writer = replace(settings, shape=shape_of(request, settings)).writer(engine_request.model, prompt_tokens)
        except ServiceError:
            await pieces.aclose()
            raise
        words = stop_words(body) if STOP in plan else []
        pieces = self._count_usage(request, plan.pieces(stop_at_words(pieces, words) if words else pieces))
        headers, writer = self.headers(request), plan.writer(writer)
        if body.get("stream") and JSON_ANSWER not in plan:
            return await stream(pieces, writer, headers, request_id(request))
        return await json_answer(pieces, writer, headers, bare=BARE in plan or is_openai(request))

    async def _count_usage(self, request: Request, pieces: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """Yield `pieces` and count what they cost."""
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, End):
                    request.state.tokens = piece.prompt_tokens, piece.completion_tokens
                    self.spend(neurons(piece.prompt_tokens or 0, piece.completion_tokens or 0))
                yield piece

    def spend(self, cost: float) -> None:
        """Count neurons."""
        self.usage.spend(cost)  # of now: `clear` begins another

    async def deliver(self, request: Request, response: Response) -> Response:
        """Apply transfer faults to a response."""
        request.state.connection = connection = connection_of(request.scope)
        await while_connected(request, plan_of(request).begin(connection))
        return with_faults(response, plan_of(request), connection)

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of an answer."""
        return headers_of(request, self.scripted.name if self.settings.cassette is None else "cassette")
