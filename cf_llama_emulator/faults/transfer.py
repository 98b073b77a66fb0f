"""Faults on the way: when bytes come, in what cuts, how they are framed, and how the connection ends."""

from __future__ import annotations

import asyncio
import json
import random
import re
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from cf_llama_emulator.errors import ServiceError
from cf_llama_emulator.faults.kinds import BeforeAnswer, Chunks, Fault, Line, OnBytes, OnHeaders
from cf_llama_emulator.faults.refusals import binding_error
from cf_llama_emulator.faults.values import Number, OneOf, Pattern, Place, Places
from cf_llama_emulator.wire import DONE, encode, encode_event

_AFTER_EVENT = re.compile(rb"(?<=\n\n)")
_GZIP = 16 + zlib.MAX_WBITS


def parts(chunk: bytes) -> list[bytes]:
    """Return the events in a chunk; a body without events comes in quarters, so that there is a middle."""
    if chunk.endswith(b"\n\n"):
        return [event for event in _AFTER_EVENT.split(chunk) if event]
    quarter = max(1, -(-len(chunk) // 4))
    return [chunk[at : at + quarter] for at in range(0, len(chunk), quarter)]


async def _parts(chunks: Chunks) -> AsyncGenerator[bytes]:
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
    seen = 0
    async for part in _parts(chunks):
        head = _head(part, place.where) if seen >= place.after else None
        if place.where == "start" or head is not None:
            if head:
                yield head
            return
        seen += 1
        yield part


async def _cut(chunks: Chunks, place: Place, line: Line) -> AsyncGenerator[bytes]:
    async for part in _until(chunks, place):
        yield part
    line.close()
    raise ConnectionAbortedError


async def _reset(chunks: Chunks, place: Place, line: Line) -> AsyncGenerator[bytes]:
    async for part in _until(chunks, place):
        yield part
    await asyncio.sleep(0.01)  # a reset takes back what has not been sent yet
    line.reset()
    raise ConnectionAbortedError


async def _truncate(chunks: Chunks, place: Place, line: Line) -> AsyncGenerator[bytes]:
    del line
    async for part in _until(chunks, place):
        yield part


async def _hang(chunks: Chunks, place: Place, line: Line) -> AsyncGenerator[bytes]:
    del line
    async for part in _until(chunks, place):
        yield part
    await asyncio.Event().wait()  # until the client hangs up, or the server is closed


async def _error_event(chunks: Chunks, place: Place, line: Line) -> AsyncGenerator[bytes]:
    del line
    seen = 0
    async for part in _parts(chunks):
        if seen >= place.after or part == DONE:
            yield encode_event(ERROR_EVENTS[place.where])
            return
        seen += 1
        yield part


_BROKEN = ServiceError(500, 3043, "Internal server error")

ERROR_EVENTS: Mapping[str, dict[str, Any]] = {
    "errors": {"errors": [{"code": _BROKEN.code, "message": _BROKEN.text}]},
    "error": {"error": {"code": _BROKEN.code, "message": _BROKEN.text}},
    "text": {"error": _BROKEN.text},
    "name": binding_error(_BROKEN),
    "success": {"success": False, "errors": [{"code": _BROKEN.code, "message": _BROKEN.text}], "result": {}},
}
"""How a failure in the middle of a stream is known to be told, by the name of the form."""


async def _jitter(chunks: Chunks, longest: float, line: Line) -> AsyncGenerator[bytes]:
    del line
    async for part in _parts(chunks):
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - nothing here is secret
        yield part


async def _drip(chunks: Chunks, pause: float, line: Line) -> AsyncGenerator[bytes]:
    del line
    async for chunk in chunks:
        for byte in chunk:
            await asyncio.sleep(pause)
            yield bytes((byte,))


async def _split(chunks: Chunks, size: float, line: Line) -> AsyncGenerator[bytes]:
    del line
    step = int(size)
    async for chunk in chunks:
        for at in range(0, len(chunk), step):
            yield chunk[at : at + step]
            await asyncio.sleep(0)


async def _merge(chunks: Chunks, _: None, line: Line) -> AsyncGenerator[bytes]:
    del line
    yield b"".join([chunk async for chunk in chunks])


async def _gzip(chunks: Chunks, how: str, line: Line) -> AsyncGenerator[bytes]:
    del line
    packer = zlib.compressobj(wbits=_GZIP)
    async for chunk in chunks:
        yield chunk if how == "broken" else packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH)
    if how == "good":
        yield packer.flush()


def _framing(how: str) -> Callable[[bytes], bytes]:
    return {
        "crlf": lambda event: event.replace(b"\n", b"\r\n"),
        "cr": lambda event: event.replace(b"\n", b"\r"),
        "no-space": lambda event: event.replace(b"data: ", b"data:", 1),
        "no-blank-lines": lambda event: event.removesuffix(b"\n"),
        "fields": lambda event: b": keep-alive\n\nevent: message\nid: 1\nretry: 1000\n" + event,
        "blank-data": lambda event: b"data:\n\n" + event,
        "malformed": lambda event: b'data: {"response": \n\n' + event,
        "bom": lambda event: event,
    }[how]


async def _framed(chunks: Chunks, how: str, line: Line) -> AsyncGenerator[bytes]:
    del line
    frame, first = _framing(how), True
    async for chunk in chunks:
        mark = b"\xef\xbb\xbf" if first and how == "bom" else b""
        first = False
        yield mark + b"".join(map(frame, parts(chunk)))


async def _without_done(chunks: Chunks, _: None, line: Line) -> AsyncGenerator[bytes]:
    del line
    async for chunk in chunks:
        if chunk != DONE:
            yield chunk


async def _recorded(chunks: Chunks, _: None, line: Line) -> AsyncGenerator[bytes]:
    """Gather the events into one body, as AI Gateway keeps a stream."""
    del line
    events = [json.loads(part.removeprefix(b"data: ")) async for part in _parts(chunks) if part != DONE]
    yield encode({"streamed_data": events})


async def _wait(seconds: float, line: Line) -> None:
    del line
    await asyncio.sleep(seconds)


async def _drop(how: str, line: Line) -> None:
    if how == "hang":
        await asyncio.Event().wait()
    elif how == "reset":
        line.reset()
    else:
        line.close()


RECORDED, SSE, PROVIDER = "recorded streams", "WHATWG: server-sent events", "Cloudflare's own client libraries"
NETWORK = "what networks do"
WHERE = ("byte", "event", "character", "start")

TRANSFER: tuple[Fault, ...] = (
    BeforeAnswer("latency", "waits before the answer begins", NETWORK, Number("SECONDS", 1.0, 0, 600), act=_wait),
    BeforeAnswer(
        "no-answer",
        "ends the connection before the status line, resets it, or leaves the client waiting",
        NETWORK,
        OneOf(("close", "reset", "hang")),
        act=_drop,
    ),
    OnBytes(
        "recorded",
        "sends a stream as AI Gateway records it: one body",
        PROVIDER,
        change=_recorded,
        streams_only=True,
        headers={"content-type": "application/json"},
    ),
    OnBytes("no-done", "ends a stream without [DONE]", PROVIDER, change=_without_done, streams_only=True),
    OnBytes(
        "error-event",
        "breaks a stream off with an error in this form",
        PROVIDER,
        Places(tuple(ERROR_EVENTS)),
        change=_error_event,
        streams_only=True,
    ),
    OnBytes("truncate", "ends the body here, as if that were all", PROVIDER, Places(WHERE), change=_truncate),
    OnBytes("cut", "ends the connection here, in the middle", NETWORK, Places(WHERE), change=_cut),
    OnBytes("reset", "resets the connection here", NETWORK, Places(WHERE), change=_reset),
    OnBytes("hang", "sends nothing more from here on, and keeps the connection", NETWORK, Places(WHERE), change=_hang),
    OnBytes(
        "framing",
        "writes events with other line ends, fields, blank or malformed events between them",
        SSE,
        OneOf(("crlf", "cr", "no-space", "no-blank-lines", "fields", "blank-data", "malformed", "bom")),
        change=_framed,
        streams_only=True,
    ),
    OnBytes("merge", "sends all in one piece, at the end", NETWORK, change=_merge),
    OnBytes(
        "split",
        "sends pieces of this size, through the middle of characters",
        NETWORK,
        Number("BYTES", 7, 1, 1e6, whole=True),
        change=_split,
    ),
    OnBytes(
        "jitter", "waits up to this long before each event", NETWORK, Number("SECONDS", 0.1, 0, 600), change=_jitter
    ),
    OnBytes(
        "drip",
        "sends single bytes, waiting this long before each",
        NETWORK,
        Number("SECONDS", 0.01, 0, 60),
        change=_drip,
    ),
    OnBytes(
        "gzip",
        "packs the body, or only says so",
        "RFC 9110",
        OneOf(("good", "broken")),
        change=_gzip,
        headers={"content-encoding": "gzip"},
    ),
    OnHeaders(
        "content-type",
        "says this content type, whatever the body is",
        "reports of users",
        Pattern("TYPE", "text/plain", r"[\w.+-]+/[\w.+-]+(?:; ?[\w.=-]+)?"),
        headers=lambda match: {"content-type": match[0]},
    ),
)
