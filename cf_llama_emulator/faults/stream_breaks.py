"""Faults that end an answer before its end, and where in it: they hang, close, reset, stop or tell of a failure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from cf_llama_emulator.faults.error_formats import binding_error
from cf_llama_emulator.faults.kinds import Chunks, Fault, OnBytes
from cf_llama_emulator.faults.values import Place, Places
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.writers import DONE, encode_event

EVENT_END = b"\n\n"
_AFTER_EVENT = re.compile(rb"(?<=\n\n)")


def parts(chunk: bytes) -> list[bytes]:
    """Return the events in a chunk; a body without events comes in quarters, so that there is a middle."""
    if chunk.endswith(EVENT_END):
        return [event for event in _AFTER_EVENT.split(chunk) if event]
    quarter = max(1, -(-len(chunk) // 4))
    return [chunk[at : at + quarter] for at in range(0, len(chunk), quarter)]


async def in_parts(chunks: Chunks) -> AsyncGenerator[bytes]:
    """Yield the events, each by itself."""
    async for chunk in chunks:
        for part in parts(chunk):
            yield part


def _head(part: bytes, where: str) -> bytes | None:
    """Return what still goes out of the part in which an answer breaks; None where it cannot break in this one."""
    if where == "event":
        return b""
    if where == "byte":
        return part[: max(1, len(part) // 2)]
    wide = next((at for at, byte in enumerate(part) if byte >= 0xC2), None)  # noqa: PLR2004 - leads a character in UTF-8
    return None if wide is None else part[: wide + 1]


async def _until(chunks: Chunks, place: Place) -> AsyncGenerator[bytes]:
    """Yield what comes before `place`; all, where there is no such place."""
    read_request = 0
    async for part in in_parts(chunks):
        head = _head(part, place.where) if read_request >= place.after and place.where != "end" else None
        if place.where == "start" or head is not None:
            if head:
                yield head
            return
        read_request += 1
        yield part


async def _cut(chunks: Chunks, place: Place) -> AsyncGenerator[bytes]:
    async for part in _until(chunks, place):
        yield part
    raise ConnectionAbortedError


async def _reset(chunks: Chunks, place: Place) -> AsyncGenerator[bytes]:
    async for part in _until(chunks, place):
        yield part
    raise ConnectionResetError


async def _hang(chunks: Chunks, place: Place) -> AsyncGenerator[bytes]:
    async for part in _until(chunks, place):
        yield part
    await asyncio.Event().wait()  # until the client hangs up, or the server is closed


async def _error_event(chunks: Chunks, place: Place) -> AsyncGenerator[bytes]:
    read_request = 0
    async for part in in_parts(chunks):
        if read_request >= place.after or part == DONE:
            yield encode_event(ERROR_EVENTS[place.where])
            return
        read_request += 1
        yield part


_BROKEN = ServiceError(500, 3043, "Internal server error")

ERROR_EVENTS: Mapping[str, dict[str, Any]] = {
    "errors": {"errors": [{"code": _BROKEN.code, "message": _BROKEN.text}]},
    "error": {"error": {"code": _BROKEN.code, "message": _BROKEN.text}},
    "text": {"error": _BROKEN.text},
    "name": binding_error(_BROKEN),
    "success": {"success": False, "errors": [{"code": _BROKEN.code, "message": _BROKEN.text}], "result": {}},
}
"""Known forms of a failure in the middle of a stream, by name."""


async def _without_done(chunks: Chunks, _: None) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        if chunk != DONE:
            yield chunk


PROVIDER, NETWORK = "Cloudflare's own client libraries", "what networks do"
WHERE = ("byte", "event", "character", "start")
ANYWHERE = (*WHERE, "end")
"""The end is behind [DONE], or behind the last byte of a whole answer."""

TOLD: tuple[Fault, ...] = (
    OnBytes("no-done", "ends a stream without [DONE]", PROVIDER, change=_without_done, streams_only=True),
    OnBytes(
        "error-event",
        "breaks a stream off with an error in this form",
        PROVIDER,
        Places(tuple(ERROR_EVENTS)),
        change=_error_event,
        streams_only=True,
    ),
)
"""What events tell, or do not tell, of the end."""

BREAKS: tuple[Fault, ...] = (
    OnBytes("truncate", "ends the body here, as if that were all", PROVIDER, Places(WHERE), change=_until),
    OnBytes("cut", "ends the connection here, in the middle", NETWORK, Places(ANYWHERE), change=_cut),
    OnBytes("reset", "resets the connection here", NETWORK, Places(ANYWHERE), change=_reset),
    OnBytes(
        "hang", "sends nothing more from here on, and keeps the connection", NETWORK, Places(ANYWHERE), change=_hang
    ),
)
