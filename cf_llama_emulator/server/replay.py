"""Recorded answers as responses of the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from cf_llama_emulator.cassettes.format import Exchange, read
from cf_llama_emulator.cassettes.replay import Replayer, RequestKey, check_speed, request_key, response_headers
from cf_llama_emulator.server.responses import EventStream
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.errors import FrontError

_RUN = "/ai/run/"


def cassette_of(settings: Settings) -> Replayer:
    """Return what replays the cassette of the settings; without one it has no answers.

    Raises:
        CassetteError: it cannot be read, or the speed is not above 0.
    """
    check_speed(settings.cassette_speed)
    exchanges = [] if settings.cassette is None else read(settings.cassette)
    return Replayer(exchanges, again=settings.cassette_again)


def find_recorded(request: Request, content: bytes, replayer: Replayer) -> Exchange:
    """Return the recorded answer of a request.

    Raises:
        ServiceError: there is none; the text says how the nearest recorded request differs.
    """
    key = request_key(request.method, request.url.path, request.url.query, content)
    note_details(request, key)
    return replayer.answer(key)


def find_for_anyone(request: Request, refusal: FrontError, replayer: Replayer, settings: Settings) -> Exchange:
    """Return the recorded answer of a request whose credentials are wrong.

    A recorded refusal is given to anyone, as it may be that of wrong credentials; an answer only where any are right.

    Raises:
        FrontError: `refusal`; there is none.
    """
    key = request_key(request.method, request.url.path, request.url.query, request.state.read_request.content)
    exchange = replayer.find(key, 0 if settings.api_token is None else HTTPStatus.BAD_REQUEST)
    if exchange is None:
        raise refusal
    note_details(request, key)
    return exchange


def note_details(request: Request, key: RequestKey) -> None:
    """Leave in a request's state what its line in the log tells."""
    body = key.body if isinstance(key.body, dict) else {}
    request.state.stream = body.get("stream") is True
    model = unquote(request.url.path).partition(_RUN)[2] or body.get("model")
    if isinstance(model, str):
        request.state.model = model


def recorded_response(exchange: Exchange, headers: Mapping[str, str], settings: Settings) -> Response:
    """Return a recorded answer in its pieces, with its headers and those of `headers` that are the emulator's own."""
    chunks = _chunks(exchange, settings.cassette_speed)
    own = {name: value for name, value in headers.items() if not name.startswith("cf-")}
    return EventStream(chunks, exchange.status, {**own, **response_headers(exchange)})


async def _chunks(exchange: Exchange, speed: float | None) -> AsyncGenerator[bytes]:
    """Yield the pieces of an answer.

    Raises:
        ConnectionAbortedError: after the last piece of an answer that broke off, so that the server drops it.
    """
    for piece in exchange.pieces:
        await asyncio.sleep(piece.wait / speed if speed else 0)
        yield piece.content
    if not exchange.complete:
        raise ConnectionAbortedError
