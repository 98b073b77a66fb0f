"""Records answers on their way through httpx, into a cassette."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from re import Pattern
from threading import Lock
from time import perf_counter
from typing import Any

import httpx

from cf_llama_emulator.cassettes import credentials
from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece, append, dump, read
from cf_llama_emulator.cassettes.match import route_of
from cf_llama_emulator.cassettes.replay import Asked, Replayer, asked_by, check_speed, refused, replayed
from cf_llama_emulator.cassettes.scrub import Scrubber, user_patterns
from cf_llama_emulator.wire.errors import ServiceError

MODES = ("none", "once", "new_episodes", "all")

_ENCODINGS = "gzip, deflate"
"""What can be decoded here, and so searched for secrets."""

_DONE = b"data: [DONE]"


class Recorder:
    """A cassette that answers what it has and records what it has not, as its mode allows. Threads may share one."""

    def __init__(
        self,
        cassette: str | Path,
        mode: str = "once",
        *,
        scrub: Iterable[str | Pattern[str]] = (),
        speed: float | None = None,
    ) -> None:
        """Open a cassette.

        Args:
            cassette: The file; it need not exist where the mode records.
            mode: `none` replays and never connects. `once` records where the file does not exist, and replays where
                it does. `new_episodes` replays what the file has and records everything else. `all` replays nothing
                and records the file anew.
            scrub: Regular expressions; what they find in routes, bodies and answers is replaced by `<scrubbed>`.
                Account ids and the values of headers that were sent are replaced in any case.
            speed: Of replays: 1 is as fast as recorded, 2 twice as fast; None is at once.

        Raises:
            CassetteError: the file cannot be read, or an option is not what it can be.
        """
        if mode not in MODES:
            raise CassetteError(f"the mode of a recorder must be one of {', '.join(MODES)}, not {mode!r}")
        check_speed(speed)
        self.path, self.speed = Path(cassette), speed
        exists = self.path.exists()
        self._records = mode in {"all", "new_episodes"} or (mode == "once" and not exists)
        self._afresh = mode == "all"
        self._replayer = Replayer(read(self.path) if mode == "none" or (exists and mode != "all") else [])
        self._scrubber = user_patterns(scrub)
        self._sent: dict[Any, None] = {}
        self._lock = Lock()

    def replay(self, request: Asked) -> Exchange | None:
        """Return the recorded answer of a request, or None if it is to be sent and recorded.

        Raises:
            ServiceError: there is no answer, and the mode does not record.
        """
        return self._replayer.find(request) if self._records else self._replayer.answer(request)

    def add(self, exchange: Exchange, sent: Scrubber, received: Scrubber) -> None:
        """Append an exchange to the file, without what was sent with this request or an earlier one.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            self._sent |= dict.fromkeys(sent.patterns)
            scrubber = Scrubber((*self._sent, *received.patterns, *self._scrubber.patterns))
            append(self.path, dump(scrubber.exchange(exchange)), afresh=self._afresh)
            self._afresh = False


class Recording:
    """One exchange that is being recorded."""

    def __init__(self, recorder: Recorder, request: httpx.Request, asked: Asked) -> None:
        """Begin with a request that is about to be sent."""
        self._recorder, self._asked = recorder, asked
        account = route_of(request.url.path)[1]
        self._sent = credentials.of_request(account, request.headers.multi_items())
        self._pieces: list[Piece] = []
        self._last = perf_counter()
        self._finished = False

    def begin(self, response: httpx.Response) -> None:
        """Take the head of the answer.

        Raises:
            CassetteError: its content encoding cannot be decoded, and so not be searched for secrets.
        """
        self._response = response
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in {"identity", "gzip", "x-gzip", "deflate"}:
            raise CassetteError(f"an answer with content-encoding {encoding} cannot be searched for secrets")
        self._decompress = zlib.decompressobj(wbits=47).decompress if encoding != "identity" else bytes

    def received(self, content: bytes) -> None:
        """Take bytes of the answer."""
        now = perf_counter()
        if decoded := self._decompress(content):
            self._pieces.append(Piece(now - self._last, decoded))
            self._last = now

    def finish(self, *, complete: bool) -> None:
        """Record the exchange, unless that has been done."""
        if self._finished:
            return
        self._finished = True
        method, route, body = self._asked
        headers = self._response.headers.multi_items()
        content = b"".join(piece.content for piece in self._pieces)
        exchange = Exchange(
            method=method,
            route=route,
            body=body,
            status=self._response.status_code,
            headers=credentials.kept_headers(headers),
            pieces=self._pieces,
            complete=complete or content.rstrip().endswith(_DONE),
        )
        self._recorder.add(exchange, self._sent, credentials.of_answer(headers))
