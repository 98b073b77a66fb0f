"""The ASGI application: routes and middleware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cf_llama_emulator.playground.app import Page, Playground
from cf_llama_emulator.playground.config import page_config
from cf_llama_emulator.playground.history import AnswerRecorder, History
from cf_llama_emulator.playground.spending import Spending
from cf_llama_emulator.server.access_log import AccessLog, AccessLogEntry
from cf_llama_emulator.server.control import control_routes
from cf_llama_emulator.server.embeddings import embedding_routes
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.server.host_guard import LocalOnly
from cf_llama_emulator.server.playground_service import PlaygroundService
from cf_llama_emulator.server.remote_binding import RemoteBinding
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.errors import ServiceError

Log = Callable[[AccessLogEntry, Mapping[str, Any]], None]

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
"""What a cassette may have."""


class EndOfAnswers:
    """Notes the end of an answer just before its last byte, after which a client may send its next request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and what waits for the end of its answer."""
        state = scope.setdefault("state", {})

        def note() -> None:
            if end := state.pop("end", None):
                end()

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                note()
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            note()


def create_app(emulator: Emulator) -> ASGIApp:
    """Return the ASGI application that serves `emulator`."""
    account, gateway = "/client/v4/accounts/{account_id}", "/v1/{account_id}/{gateway}/workers-ai"
    routes = [
        *embedding_routes(emulator, account, gateway),
        Route(f"{account}/ai/run", emulator.run_any, methods=["POST"]),
        Route(f"{account}/ai/run/{{model:path}}", emulator.run, methods=["POST"]),
        Route(f"{account}/ai/v1/chat/completions", emulator.chat_completions, methods=["POST"]),
        Route(f"{account}/ai/v1/responses", emulator.responses, methods=["POST"]),
        Route(f"{account}/ai/v1/{{rest:path}}", emulator.refuse_method),
        Route(f"{account}/ai/models/search", emulator.search, methods=["GET"]),
        Route(f"{gateway}/v1/chat/completions", emulator.chat_completions, methods=["POST"]),
        Route(f"{gateway}/run/{{model:path}}", emulator.run, methods=["POST"]),
        Route(f"{gateway}/{{model:path}}", emulator.run, methods=["POST"]),
        *control_routes(emulator),
    ]
    if emulator.settings.cassette is not None:
        paths = (f"{account}/{{rest:path}}", "/v1/{account_id}/{gateway}/{rest:path}")
        routes = [Route(path, emulator.replay, methods=METHODS) for path in paths]
    refused = (HTTPException, ServiceError, RecursionError, ClientDisconnect)
    handlers: Any = dict.fromkeys(refused, emulator.refuse)
    service = Starlette(routes=routes, exception_handlers=handlers)
    service.router.redirect_slashes = False
    origins = sorted(emulator.settings.origins)
    app = CORSMiddleware(service, origins, allow_methods=["*"], allow_headers=["*"]) if origins else service
    local = LocalOnly(EndOfAnswers(app), emulator.settings)
    logged = _with_page(local, emulator) if emulator.settings.playground else _logged(local, emulator.settings)
    return RemoteBinding(logged, emulator.settings)


def _logged(app: ASGIApp, settings: Settings, *logs: Log) -> ASGIApp:
    access_log = settings.access_log
    all_logs = [*logs, lambda entry, _: access_log(entry)] if access_log else logs
    return AccessLog(app, *all_logs) if all_logs else app


def _with_page(app: ASGIApp, emulator: Emulator) -> ASGIApp:
    history, spending, key = History(), Spending(), token_urlsafe()
    settings = emulator.settings

    def recorded(app: ASGIApp) -> ASGIApp:
        return _logged(AnswerRecorder(app), settings, history.add)

    service = recorded(PlaygroundService(settings.service, key, spending)) if settings.service else None
    page = Page(page_config(settings, emulator.engine.name, key), history, spending)
    return Playground(recorded(app), LocalOnly(page.app(service), settings))
