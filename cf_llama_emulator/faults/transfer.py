"""Faults on the way: when bytes come, in what pieces, and how they are framed."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import AsyncGenerator, Callable

from cf_llama_emulator.faults.kinds import BeforeAnswer, Chunks, Connection, Fault, OnBytes, OnHeaders
from cf_llama_emulator.faults.stream_breaks import BREAKS, EVENT_END, NETWORK, PROVIDER, TOLD, in_parts, parts
from cf_llama_emulator.faults.values import Number, OneOf, Pattern
from cf_llama_emulator.wire.writers import DONE, encode

_GZIP = 16 + zlib.MAX_WBITS


async def _jitter(chunks: Chunks, longest: float) -> AsyncGenerator[bytes]:
    async for part in in_parts(chunks):
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - nothing here is secret
        yield part


async def _drip(chunks: Chunks, pause: float) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        for byte in chunk:
            await asyncio.sleep(pause)
            yield bytes((byte,))


async def _split(chunks: Chunks, size: float) -> AsyncGenerator[bytes]:
    step = int(size)
    async for chunk in chunks:
        for at in range(0, len(chunk), step):
            yield chunk[at : at + step]
            await asyncio.sleep(0)


async def _merge(chunks: Chunks, _: None) -> AsyncGenerator[bytes]:
    held = bytearray()
    try:
        async for chunk in chunks:
            held += chunk
    except ConnectionError:  # what came before a break comes before it still
        yield bytes(held)
        raise
    yield bytes(held)


async def _gzip(chunks: Chunks, how: str) -> AsyncGenerator[bytes]:
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


async def _framed(chunks: Chunks, how: str) -> AsyncGenerator[bytes]:
    """Frame whole events; what is none, or only the beginning of one, stays as it is."""
    frame, mark = _framing(how), b"\xef\xbb\xbf" if how == "bom" else b""
    async for chunk in chunks:
        if not chunk.endswith(EVENT_END):
            yield chunk
            continue
        yield mark + b"".join(map(frame, parts(chunk)))
        mark = b""


async def _recorded(chunks: Chunks, _: None) -> AsyncGenerator[bytes]:
    """Gather the events into one body, as AI Gateway keeps a stream."""
    events = [json.loads(part.removeprefix(b"data: ")) async for part in in_parts(chunks) if part != DONE]
    yield encode({"streamed_data": events})


async def _wait(seconds: float, _: Connection) -> None:
    await asyncio.sleep(seconds)


async def _drop(how: str, connection: Connection) -> None:
    if how == "hang":
        await asyncio.Event().wait()
    elif how == "reset":
        connection.reset()
    else:
        connection.close()


SSE = "WHATWG: server-sent events"

TRANSFER_FAULTS: tuple[Fault, ...] = (
    BeforeAnswer("latency", "waits before the answer begins", NETWORK, Number("SECONDS", 1.0, 0, 600), act=_wait),
    BeforeAnswer(
        "no-answer",
        "ends the connection before the status line, resets it, or leaves the client waiting",
        NETWORK,
        OneOf(("close", "reset", "hang")),
        act=_drop,
    ),
    OnBytes(
        "jitter", "waits up to this long before each event", NETWORK, Number("SECONDS", 0.1, 0, 600), change=_jitter
    ),
    *TOLD,
    OnBytes(
        "recorded",
        "sends a stream as AI Gateway records it: one body",
        PROVIDER,
        change=_recorded,
        streams_only=True,
        headers={"content-type": "application/json"},
    ),
    *BREAKS,
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
