"""Conversions between Python and JavaScript, where Pyodide runs both. Python's own values pass as they are.

Pyodide's modules are imported only for a JavaScript object. Digits that JSON text has pass unchanged; those of a number
that JavaScript has parsed are what is left in its 64-bit floats.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Self


def is_javascript(value: object) -> bool:
    """Whether a value is an object or an exception of JavaScript."""
    if sys.platform != "emscripten":
        return False
    from pyodide.ffi import JsException, JsProxy  # type: ignore[import-not-found] # noqa: PLC0415 - only there

    return isinstance(value, JsProxy | JsException)


def to_javascript(value: Mapping[str, Any]) -> Any:
    """A JavaScript object; a dict by itself would arrive as a proxy whose properties are hidden."""
    import js  # type: ignore[import-not-found] # noqa: PLC0415 - only there

    return js.JSON.parse(json.dumps(value))


def to_json(value: object) -> bytes:
    """A value as JSON text."""
    if not is_javascript(value):
        return json.dumps(value).encode()
    import js  # noqa: PLC0415 - only there

    return str(js.JSON.stringify(value)).encode()


def unwrapped(binding: Any) -> Any:
    """The JavaScript object under the wrapper of Cloudflare's SDK, which would turn large integers into BigInts."""
    inner = getattr(binding, "_binding", None)
    return inner if is_javascript(inner) else binding


def to_headers(headers: Any) -> dict[str, str]:
    """Headers of a response, of JavaScript or of Python, with names in lower case."""
    pairs = headers.entries() if hasattr(headers, "entries") else headers.items()
    return {str(name).lower(): str(value) for name, value in pairs}


def chunks_of(body: Any) -> AsyncIterator[bytes]:
    """The bytes of an answer, as they arrive: of a ReadableStream, an async iterable, bytes, or a value as JSON.

    Nothing, such as the null of a response without a body, has none.
    """
    if hasattr(body, "getReader"):
        return StreamReader(body.getReader())
    if hasattr(body, "__aiter__"):
        return aiter(body)
    if not body:
        return _single(b"")
    return _single(bytes(body) if isinstance(body, bytes | bytearray | memoryview) else to_json(body))


async def _single(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


class StreamReader:
    """Reads a ReadableStream of bytes.

    Args:
        reader: What the stream's `getReader()` returns.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        part = await self._reader.read()
        if part.done:
            raise StopAsyncIteration
        return bytes(part.value.to_bytes())

    async def aclose(self) -> None:
        """Tell the sender that no more is needed, unless the stream has ended or failed."""
        with suppress(Exception):
            await self._reader.cancel()
