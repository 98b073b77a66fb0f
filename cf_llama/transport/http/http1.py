"""HTTP/1.1: serializes requests and parses responses incrementally. No I/O.

llhttp, the parser of Node.js, reads the response, through httptools. It refuses nearly all that RFC 9112 forbids; what
it lets pass is checked here, because a response whose end is read wrongly would be mixed with the next one.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

import httpx

if TYPE_CHECKING:
    from types import ModuleType

MAX_HEAD_BYTES = 64 * 1024
"""Of a response's head, with the interim ones before it; Cloudflare's are a few hundred bytes."""

_PROTOCOL = b"HTTP/1."
_ENDS_A_LINE = re.compile(rb"[\x00\r\n]")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NO_BODY = {204, 304}


@cache
def _httptools() -> ModuleType:
    """Import httptools with the first connection: some platforms lack it, and the user's own client needs none."""
    try:
        import httptools  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            "cf_llama's own connections need httptools: pip install httptools, or pass a client of your own "
            "as `http_client` or `http_async_client`"
        ) from error
    return httptools


def request_bytes(request: httpx.Request) -> bytes:
    """Serialize a request.

    Raises:
        httpx.LocalProtocolError: a header would end its own line.
    """
    headers = request.headers.raw
    if _ENDS_A_LINE.search(b"".join(chain.from_iterable(headers))):
        raise httpx.LocalProtocolError("a header holds the end of a line")
    fields = b"".join(b"%b: %b\r\n" % field for field in headers)
    start = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.url.raw_path)
    return start + fields + b"\r\n" + request.read()


class ResponseParser:
    """Parses one response to any method but HEAD and CONNECT: bytes in, head and body out.

    How the bytes are cut makes no difference to what is read and what is refused.

    Raises:
        ImportError: httptools is not installed.
    """

    def __init__(self) -> None:
        self.status = 0
        """Zero until the head has come."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = False
        """Whether the body has come to its end."""
        self._parser = _httptools().HttpResponseParser(self)
        self._start = b""  # the first bytes, as many as name the protocol
        self._body: list[bytes] = []
        self._refusal = ""
        self._persistent = self._until_close = self._surplus = False
        self._window = MAX_HEAD_BYTES  # bytes within which the head or something of the body has to come
        self._progress = False

    @property
    def reusable(self) -> bool:
        """Whether the connection can be used for another request."""
        return self.ended and self._persistent and not self._surplus

    def feed(self, data: bytes) -> bytes:
        """Parse a chunk; return the body bytes in it.

        Raises:
            httpx.RemoteProtocolError: this is no HTTP/1.1.
        """
        self._body = []
        start = 0
        while start < len(data):
            end = min(len(data), start + self._window)
            if end - start > 1 and data[end - 1] in b"\r\n":
                end -= 1  # goes alone: llhttp passes over blank lines that follow a response
            self._take(data[start:end])
            start = end
        return b"".join(self._body)

    def close(self) -> None:
        """Note that the other side has closed the connection.

        Raises:
            httpx.RemoteProtocolError: that is not where the response ends.
        """
        if not self._start:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        if not self._until_close:
            raise httpx.RemoteProtocolError("the server closed the connection before its answer was complete")
        self.ended = True

    def _take(self, data: bytes) -> None:
        if self.ended:
            self._surplus = True
            return
        if len(self._start) < len(_PROTOCOL):
            self._start += data[: len(_PROTOCOL) - len(self._start)]
            if not _PROTOCOL.startswith(self._start):
                raise httpx.RemoteProtocolError("the answer is not HTTP/1.1")
        try:
            self._parser.feed_data(data)
        except (_httptools().HttpParserError, _httptools().HttpParserUpgrade) as error:
            self._surplus = True
            if not self.ended:
                raise httpx.RemoteProtocolError(self._refusal or f"the answer is malformed: {error}") from None
        if self.ended:
            del self._parser  # each holds the other
        self._window -= len(data)
        if not self._window:
            self._end_window()

    def _end_window(self) -> None:
        """Reject a head, trailers or other bytes outside a body that never end."""
        if not self.status:
            raise httpx.RemoteProtocolError(f"the answer's head is larger than {MAX_HEAD_BYTES:,} bytes")
        if not (self._progress or self.ended):
            raise httpx.RemoteProtocolError(f"{MAX_HEAD_BYTES:,} bytes of the answer hold nothing of its body")
        self._window, self._progress = MAX_HEAD_BYTES, False

    def _refuse(self, reason: str) -> NoReturn:
        self._refusal = reason
        raise ValueError(reason)  # stops llhttp

    # what llhttp tells

    def on_message_begin(self) -> None:
        """Called when a response begins; only one may follow the interim ones."""
        if self.ended:
            self._refuse("the server sent a response without a request")

    def on_status(self, reason: bytes) -> None:
        """Called with the reason phrase or a part of it."""
        if _CONTROL.search(reason):
            self._refuse("the answer's reason holds a control character")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header; trailers are ignored."""
        if not self.status:
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Called after the head of the response, or of an interim one before it."""
        status = self._parser.get_status_code()
        fields = [(name.lower(), value.lower()) for name, value in self.headers]
        codings = [value for name, value in fields if name == b"transfer-encoding"]
        marked = codings or any(name == b"content-length" for name, _ in fields)
        if codings not in ([], [b"chunked"]):
            self._refuse("the answer's transfer-encoding is not chunked")
        if status == httpx.codes.SWITCHING_PROTOCOLS:
            self._refuse("the server wants to speak something else")
        if status < httpx.codes.OK:
            if marked or status < httpx.codes.CONTINUE:
                self._refuse("the answer is malformed: an interim response must not have a body")
            self.headers = []
            return
        self.status, self._progress = status, True
        self._until_close = not marked and status not in _NO_BODY
        self._persistent = self._parser.get_http_version() == "1.1" and self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Called with bytes of the body."""
        self._progress = True
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Called at the end; that of an interim response is ignored."""
        self.ended = bool(self.status)
