"""Parses server-sent events incrementally: lines and fields, but not what they mean.

Written against the WHATWG specification of event streams. Lines end in CR, LF or CRLF only: text may hold U+2028,
U+0085 and the like, at which `str.splitlines` would tear a JSON string apart.
"""

from __future__ import annotations

from cf_llama.protocol.errors import BadResponseError

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""No answer of 24,000 tokens comes near; a stream that never ends its event must not fill the memory."""


class EventDecoder:
    """Bytes in, the `data` of each finished event out; the same events however the bytes are split."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # an unfinished line, in parts
        self._rest_size = 0
        self._data: list[bytes] = []  # the data lines of an unfinished event
        self._size = 0
        self._after_cr = False  # a LF that comes next belongs to the CR before it
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes; return the data of every event that they complete.

        Raises:
            BadResponseError: an event grew over `MAX_EVENT_BYTES`.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events = [event for line in self._lines(chunk) if (event := self._line(line)) is not None]
        if self._size + self._rest_size > MAX_EVENT_BYTES:
            raise BadResponseError(f"an event of the stream is larger than {MAX_EVENT_BYTES:,} bytes")
        return events

    def flush(self) -> bytes | None:
        """Return the data of the event that is unfinished at the end of the stream, if any."""
        if rest := b"".join(self._rest):  # a line without its end; an empty one would be the blank line of an event
            self._line(rest)
        self._rest, self._rest_size = [], 0
        return self._event()

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Lines that end in this chunk; a long one is joined once, not with every chunk."""
        self._rest.append(chunk)
        self._rest_size += len(chunk)
        if b"\n" not in chunk:
            return []
        *lines, rest = b"".join(self._rest).split(b"\n")
        self._rest, self._rest_size = [rest], len(rest)
        return lines

    def _line(self, line: bytes) -> bytes | None:
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._event()
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._size += len(line)
        return None  # comments (": keep-alive"), event, id and retry lines carry nothing here

    def _event(self) -> bytes | None:
        if not self._data:
            return None
        event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data, self._size = [], 0
        return event
