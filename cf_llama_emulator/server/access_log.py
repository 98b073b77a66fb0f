"""The log line of a request after its response has ended, without its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cf_llama_emulator.faults.connection import connection_of
from cf_llama_emulator.playground.app import SERVICE

_ACCOUNT = re.compile(r"^/client/v4/accounts/[^/]*|^/v1/[^/]*/[^/]*(?=/workers-ai)")
_MODEL = re.compile(r"(?<=/ai/run)/.*|(?<=/workers-ai/run)/.*|(?<=/workers-ai)/(?!run/|v1/).*", re.DOTALL)
_ROUTE = re.compile("(/[a-z0-9-]{1,12})+")
_ACCOUNT_ID = re.compile("[0-9a-f]{32}", re.IGNORECASE)
_LONGEST = 60
"""Characters of a model's name that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogEntry:
    """One request and what became of it, without account, token and content."""

    time: datetime
    """Local time of arrival with its offset."""
    method: str
    route: str
    """The path without account, gateway and model, e.g. `/ai/run`; `*` where it is not known."""
    model: str | None
    """None if the request was rejected before its model was read."""
    stream: bool
    """Whether the client requested a stream."""
    status: int | None
    """None if nothing reached the client: it had disconnected, or a fault ended the connection."""
    prompt_tokens: int | None
    completion_tokens: int | None
    """None if there are no counts: an error, a batch, an incomplete stream."""
    milliseconds: float
    """From the request's head to the last byte of the answer."""
    faults: str
    """`name[=value], ...`: the faults of the request."""
    hung_up: bool
    """Whether the client disconnected before the end."""


class AccessLog:
    """Middleware that logs each request; handlers leave details in `request.state`."""

    def __init__(self, app: ASGIApp, *logs: Callable[[AccessLogEntry, Mapping[str, Any]], None]) -> None:
        """Serve `app`; `logs` are called with each entry and the state of its request."""
        self._app, self._logs = app, logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, begun, connection = datetime.now().astimezone(), perf_counter(), connection_of(scope)
        state = scope.setdefault("state", {})
        status: int | None = None
        ended = gone = False

        async def noting_receive() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or (message["type"] == "http.disconnect" and not ended)
            return message

        async def noting_send(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start" and not connection.ended:
                status = message["status"]
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        try:
            await self._app(scope, noting_receive, noting_send)
        finally:
            milliseconds = round((perf_counter() - begun) * 1000, 1)
            cut = "connection" in state and state["connection"].cut
            fields = _state_fields(state) | {
                "status": status,
                "milliseconds": milliseconds,
                "hung_up": gone and not cut,
            }
            route = route_of(scope["path"])
            entry = AccessLogEntry(time=came, method=scope["method"], route=route, **fields)
            for log in self._logs:
                log(entry, state)


def _state_fields(state: dict[str, Any]) -> dict[str, Any]:
    """Return what handlers left of a request."""
    prompt_tokens, completion_tokens = state.get("tokens", (None, None))
    return {
        "model": _model(state["model"]) if "model" in state else None,
        "stream": state.get("stream", False),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "faults": str(state.get("plan", "")),
    }


def route_of(path: str) -> str:
    """Return a path without account, gateway and model; a path of another form is `*`, for it may hold anything."""
    if path == SERVICE:
        return path
    known, found = _ACCOUNT.subn("", path)
    route = _MODEL.sub("", known)
    return route if found and _ROUTE.fullmatch(route) else "*"


def _model(name: str) -> str:
    """Return a model's name, which the client chose, as it may stand in a terminal and in a log."""
    printable = "".join(character if character.isprintable() else "?" for character in _ACCOUNT_ID.sub("*", name))
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}…"
