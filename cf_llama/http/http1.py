"""HTTP/1.1 as bytes: a request written out, and a push parser for its answer. No I/O.

Written against RFC 9112. h11 says the same of every answer, at several times the price for each piece of a stream; the
tests hold the two against each other. What is not allowed there is an error here too, never a guess: an answer whose
end is read wrongly would be mixed with the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain

import httpx

MAX_HEAD_BYTES = 64 * 1024
"""Of an answer's head, or its trailers; Cloudflare's are a few hundred bytes."""
_MAX_SIZE_LINE = 4096  # a chunk's size and what else may stand beside it

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00\r\n]*)")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_ENDS_A_LINE = re.compile(rb"[\x00\r\n]")
_NO_BODY = {204, 304}

Headers = list[tuple[bytes, bytes]]


def request_bytes(request: httpx.Request) -> bytes:
    """A request as it is sent.

    Raises:
        httpx.LocalProtocolError: a header would end its own line.
    """
    headers = request.headers.raw
    if _ENDS_A_LINE.search(b"".join(chain.from_iterable(headers))):
        raise httpx.LocalProtocolError("a header holds the end of a line")
    fields = b"".join(b"%b: %b\r\n" % field for field in headers)
    start = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.url.raw_path)
    return start + fields + b"\r\n" + request.read()


class Answer:
    """One answer: bytes in, its head and the bytes of its body out, however they are cut."""

    def __init__(self) -> None:
        self.status = 0
        """Zero until the head has come."""
        self.headers: Headers = []
        self.ended = False
        """Whether the body has come to its end."""
        self._rest = b""  # what is too short to be understood yet
        self._skipped = 0  # bytes before the head: blank lines, and hints that an answer is still to come
        self._left = 0  # bytes of the body, or of this chunk, that are still to come
        self._persistent = False
        self._read: Callable[[bytes], bytes] = self._head

    @property
    def reusable(self) -> bool:
        """Whether the connection is good for another request."""
        return self.ended and self._persistent and not self._rest

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come; give those of the body.

        Raises:
            httpx.RemoteProtocolError: this is no HTTP/1.1.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        return self._read(data)

    def close(self) -> None:
        """The connection has been closed by the other side.

        Raises:
            httpx.RemoteProtocolError: that is not where the answer ends.
        """
        if not self.status and not self._rest:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        if self._read != self._until_close:
            raise httpx.RemoteProtocolError("the server closed the connection before its answer was complete")
        self.ended = True

    def _head(self, data: bytes) -> bytes:
        final = self._final(data)
        if final is None:
            return b""
        start, lines, body = final
        self.status, self.headers = int(start[2]), [_field(line) for line in lines]
        self._frame(start[1])
        return b"" if self.ended and not body else self._read(body)

    def _final(self, data: bytes) -> tuple[re.Match[bytes], list[bytes], bytes] | None:
        """Status line, header lines and what follows; None while the answer's own head has not come.

        What may stand before it ("go on", hints, blank lines) has an end as well: nobody waits for ever.
        """
        while True:
            head = data.lstrip(b"\r\n")
            lines, rest = self._lines(head)
            self._skipped += len(data) - len(head)
            if self._skipped > MAX_HEAD_BYTES:
                raise httpx.RemoteProtocolError(f"no answer has come in {MAX_HEAD_BYTES:,} bytes")
            if lines is None:
                return None
            match = _STATUS_LINE.fullmatch(lines[0])
            if not match:
                raise httpx.RemoteProtocolError("the answer is not HTTP/1.1")
            status = int(match[2])
            if status >= httpx.codes.OK:
                return match, lines[1:], rest
            if status == httpx.codes.SWITCHING_PROTOCOLS:
                raise httpx.RemoteProtocolError("the server wants to speak something else")
            self._skipped += len(head) - len(rest)
            data = rest

    def _lines(self, data: bytes) -> tuple[list[bytes] | None, bytes]:
        """Lines up to a blank one, and what follows it; None, and all of it kept, while there is no blank line."""
        end = _blank_line(data)
        if end is None:
            if len(data) > MAX_HEAD_BYTES:
                raise httpx.RemoteProtocolError(f"the answer's head is larger than {MAX_HEAD_BYTES:,} bytes")
            self._rest = data
            return None, b""
        return _FOLDED.sub(b" ", data[: end[0]]).replace(b"\r\n", b"\n").split(b"\n"), data[end[1] :]

    def _frame(self, version: bytes) -> None:
        """How the body is to be read (RFC 9112, section 6.3)."""
        said = _tokens(self.headers, (b"connection", b"transfer-encoding", b"content-length"))
        codings, lengths = said[b"transfer-encoding"], set(said[b"content-length"])
        self._persistent = version == b"1" and b"close" not in said[b"connection"]
        if self.status in _NO_BODY:
            self._end()
        elif codings:
            if codings != [b"chunked"]:
                raise httpx.RemoteProtocolError("the answer's transfer-encoding is not chunked")
            self._persistent = self._persistent and not lengths  # both: somebody in between may see another end
            self._read = self._size
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.fullmatch(length):
                raise httpx.RemoteProtocolError("the answer's content-length is no number")
            self._left, self._read = int(length), self._counted
            if not self._left:
                self._end()
        else:
            self._persistent, self._read = False, self._until_close

    def _end(self) -> None:
        self.ended, self._read = True, self._surplus

    def _surplus(self, data: bytes) -> bytes:
        """Nobody asked for more; the connection is not used again."""
        self._rest = data[:1]
        return b""

    def _until_close(self, data: bytes) -> bytes:
        return data

    def _counted(self, data: bytes) -> bytes:
        body, surplus = data[: self._left], data[self._left :]
        self._left -= len(body)
        if not self._left:
            self._end()
            self._surplus(surplus)
        return body

    def _size(self, data: bytes) -> bytes:
        """Chunks, from the size of one to the last that `data` holds whole; a loop, as a stream has thousands."""
        pieces: list[bytes] = []
        start = 0
        while (end := data.find(b"\r\n", start)) >= 0:
            match = _SIZE.fullmatch(data, start, end)
            if not match:
                raise httpx.RemoteProtocolError("the size of a chunk is no number")
            size = int(match[1], 16)
            if not size:
                return b"".join(pieces) + self._trailers(data[end:])
            start = end + 2 + size
            pieces.append(data[end + 2 : start])
            if data[start : start + 2] != b"\r\n":
                self._left, self._read = size - len(pieces[-1]), self._chunk
                return b"".join(pieces) + self._chunk(data[start:])
            start += 2
        self._rest = data[start:]
        if len(self._rest) > _MAX_SIZE_LINE:
            raise httpx.RemoteProtocolError("the size of a chunk is no number")
        return b"".join(pieces)

    def _chunk(self, data: bytes) -> bytes:
        """The rest of a chunk, its line's end, and whatever follows."""
        body, ending = data[: self._left], data[self._left :]
        self._left -= len(body)
        if ending.startswith(b"\r\n"):
            self._read = self._size
            return body + self._size(ending[2:])
        if ending not in {b"", b"\r"}:
            raise httpx.RemoteProtocolError("a chunk is longer than its size")
        self._rest = ending
        return body

    def _trailers(self, data: bytes) -> bytes:
        """What follows the last chunk's size, the end of its line first: of no use, but the answer ends behind it."""
        self._read = self._trailers
        lines, surplus = self._lines(data)
        if lines is not None:
            self._end()
            self._surplus(surplus)
        return b""


def _blank_line(data: bytes) -> tuple[int, int] | None:
    """Where the first blank line begins, with the end of the line before it, and where it ends."""
    found = [(at, at + len(mark)) for mark in (b"\n\n", b"\n\r\n") if (at := data.find(mark)) >= 0]
    if not found:
        return None
    start, end = min(found)
    return (start - 1 if data[:start].endswith(b"\r") else start), end


def _tokens(headers: Headers, names: tuple[bytes, ...]) -> dict[bytes, list[bytes]]:
    """What some headers list, however often they are there."""
    tokens: dict[bytes, list[bytes]] = {name: [] for name in names}
    for key, value in headers:
        if (name := key.lower()) in tokens:
            tokens[name] += [token for part in value.split(b",") if (token := part.strip().lower())]
    return tokens


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.fullmatch(line)
    if not match:
        raise httpx.RemoteProtocolError("a header of the answer is malformed")
    return match[1], match[2].strip(b" \t")
