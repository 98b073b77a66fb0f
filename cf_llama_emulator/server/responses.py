"""Converts an engine's pieces to an HTTP response, whole or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from cf_llama_emulator.faults import Plan
from cf_llama_emulator.faults.kinds import Connection
from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Piece, Raw, Text
from cf_llama_emulator.wire.errors import ServiceError, emulator_error
from cf_llama_emulator.wire.whole_answer import Pieces, whole_answer
from cf_llama_emulator.wire.writers import DONE, Event, Writer, encode, encode_event

T = TypeVar("T")

BODILESS = {204, 304}
"""Statuses under which HTTP allows no body."""


class EventStream(StreamingResponse):
    """A stream that closes its source for certain, also when the reader goes away in the middle."""

    async def stream_response(self, send: Send) -> None:
        """Send the body; after each chunk the loop has its turn, to hear that the reader is gone and serve others."""

        async def fair(message: Message) -> None:
            await send(message)
            await asyncio.sleep(0)

        async with aclosing(self.body_iterator):  # type: ignore[type-var] # always one of the generators below
            await super().stream_response(fair)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `body` as JSON."""
    return Response(encode(body), status, headers, "application/json")


def envelope(result: Any) -> dict[str, Any]:
    """Return a success in the form of Cloudflare's API."""
    return {"result": result, "success": True, "errors": [], "messages": []}


async def take_faults(pieces: Pieces) -> tuple[Faults | None, Pieces]:
    """Take off the faults that a script puts before its answer.

    What fails before the first piece fails here, and so still gets its own status.
    """
    first = await anext(pieces)
    return (first, pieces) if isinstance(first, Faults) else (None, _preceded(first, pieces))


async def _preceded(first: Piece, pieces: Pieces) -> Pieces:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def json_answer(pieces: Pieces, writer: Writer, headers: Mapping[str, str], *, bare: bool) -> Response:
    """Collect all pieces into one answer; `bare` leaves out the envelope."""
    answer = await whole_answer(pieces, writer)
    if isinstance(answer, Raw):
        return raw(answer, headers)
    body = answer.result if bare else envelope(answer.result)
    return json_response(body, headers={**headers, "cf-ai-neurons": f"{answer.neurons:.2f}"})


async def stream(pieces: Pieces, writer: Writer, headers: Mapping[str, str], request_id: str) -> Response:
    """Answer as events. What fails before the first piece is still an error with its own status."""
    first = await anext(pieces)
    if isinstance(first, Raw):
        await pieces.aclose()
        return raw(first, headers)
    return EventStream(_events(first, pieces, writer, request_id), 200, headers, "text/event-stream")


async def _events(first: Piece, pieces: Pieces, writer: Writer, request_id: str) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        yield b"".join(map(encode_event, [*writer.start(), *_written(first, writer)]))
        try:
            async for piece in pieces:
                yield b"".join(map(encode_event, _written(piece, writer)))
        except ServiceError as error:
            yield encode_event(error.body(request_id))
            return
        yield DONE


def _written(piece: Piece, writer: Writer) -> list[Event]:
    match piece:
        case Text():
            return writer.text(piece.text)
        case Call():
            return writer.call(piece)
        case End():
            return writer.finish(piece)
        case Raw() | Faults():
            raise emulator_error("a raw answer must come alone, and faults must come first")


def raw(answer: Raw, headers: Mapping[str, str]) -> Response:
    """Write a scripted answer byte for byte; its headers go over ours.

    Raises:
        ConnectionAbortedError: after the last chunk of an answer that is to be cut, so that the server drops it.
    """

    async def chunks() -> AsyncGenerator[bytes]:
        for chunk in answer.chunks:
            await asyncio.sleep(answer.pause)
            yield chunk
        if answer.cut:
            raise ConnectionAbortedError

    lowered = {name.lower(): value for name, value in answer.headers.items()}
    return EventStream(chunks(), answer.status, {**headers, **lowered})


def with_faults(response: Response, plan: Plan, connection: Connection) -> Response:
    """Return `response` with what the faults do to its headers and its body."""
    if response.status_code in BODILESS:
        return Response(status_code=response.status_code, headers=response.headers)
    streams = response.headers.get("content-type", "").startswith("text/event-stream")
    response.headers.update(plan.headers(streams=streams))
    if not plan.touches_body(streams=streams):
        return response
    chunks = response.body_iterator if isinstance(response, StreamingResponse) else _once(bytes(response.body))
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    body = plan.body(chunks, connection, streams=streams)  # type: ignore[arg-type] # always one of the generators here
    return EventStream(body, response.status_code, headers)


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    yield body


async def while_connected(request: Request, answer: Awaitable[T]) -> T | None:
    """Wait for `answer`; cancel it and return None if the client disconnects first."""
    work = asyncio.ensure_future(answer)
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, watch):
            task.cancel()
        await asyncio.gather(work, watch, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
