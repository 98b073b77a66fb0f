"""Records answers on their way through httpx, into a cassette."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from re import Pattern
from threading import Lock
from time import perf_counter
from typing import Any

import httpx

from cf_llama_emulator.cassettes import credentials
from cf_llama_emulator.cassettes.client_transport import AsyncClientTransport, ClientTransport
from cf_llama_emulator.cassettes.decoding import Decoder, acceptable
from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece, append, dump, read
from cf_llama_emulator.cassettes.match import route_of
from cf_llama_emulator.cassettes.replay import Replayer, RequestKey, check_speed, key_of_request, refused, replayed
from cf_llama_emulator.cassettes.scrub import Finder, Scrubber, user_patterns
from cf_llama_emulator.wire.errors import ServiceError

MODES = ("none", "once", "new_episodes", "all")

_DONE = b"data: [DONE]"


class Recorder:
    """A cassette that replays what it has and records the rest, as its mode allows. Threads may share one."""

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
        self._sent: dict[tuple[Finder, str], None] = {}
        self._lock = Lock()
        self._closed = False

    def close(self) -> None:
        """Stop recording answers that break off, because from now on this side ends them."""
        self._closed = True

    def replay(self, request: RequestKey) -> Exchange | None:
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
        if self._closed and not exchange.complete:
            return
        with self._lock:
            self._sent |= dict.fromkeys(sent.patterns)
            scrubber = Scrubber((*self._sent, *received.patterns, *self._scrubber.patterns))
            append(self.path, dump(scrubber.exchange(exchange)), afresh=self._afresh)
            self._afresh = False


class Recording:
    """One exchange that is being recorded."""

    def __init__(self, recorder: Recorder, request: httpx.Request, content: bytes) -> None:
        """Begin with a request that is about to be sent."""
        self._recorder, self.key = recorder, key_of_request(request, content)
        self._sent = credentials.of_request(route_of(request.url.path)[1], request.headers.multi_items())
        self._pieces: list[Piece] = []
        self._last = perf_counter()
        self._finished = False

    def begin(self, response: httpx.Response) -> None:
        """Take the head of the answer.

        Raises:
            CassetteError: its content encoding cannot be decoded, and so not be searched for secrets.
        """
        self._response, self._decoder = response, Decoder(response.headers.get("content-encoding", ""))

    def receive(self, content: bytes) -> bytes:
        """Add bytes of the answer and return them."""
        now = perf_counter()
        if decoded := self._decoder.decode(content):
            self._pieces.append(Piece(now - self._last, decoded))
            self._last = now
        return content

    def finish(self, *, complete: bool) -> None:
        """Record the exchange, unless that has been done."""
        if self._finished:
            return
        self._finished = True
        headers = self._response.headers.multi_items()
        kept = credentials.kept_headers(headers)
        if self._decoder.failed:
            kept["content-encoding"] = self._response.headers["content-encoding"]
        exchange = Exchange(**self.key._asdict(), status=self._response.status_code, headers=kept, pieces=self._pieces)
        complete = complete or exchange.content.rstrip().endswith(_DONE)
        self._recorder.add(replace(exchange, complete=complete), self._sent, credentials.of_answer(headers))


class _RecordedStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, which is recorded while it is read."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        self._stream, self._recording = stream, recording

    def __iter__(self) -> Iterator[bytes]:
        for content in self._stream:
            yield self._recording.receive(content)
        self._recording.finish(complete=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for content in self._stream:
            yield self._recording.receive(content)
        self._recording.finish(complete=True)

    def close(self) -> None:
        self._stream.close()
        self._recording.finish(complete=False)

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._recording.finish(complete=False)


class RecorderTransport(httpx.BaseTransport):
    """A transport for `httpx.Client` that records what another transport answers, and replays what is recorded."""

    def __init__(self, recorder: Recorder, transport: httpx.BaseTransport | None = None) -> None:
        """Record with `recorder` what `transport` answers; None sends as `httpx.Client()` does, through its proxies."""
        self._recorder, self._transport = recorder, transport or ClientTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request from the cassette, or send and record it.

        Raises:
            CassetteError: the answer cannot be recorded.
        """
        recording = Recording(self._recorder, request, request.read())
        if (known := _known(self._recorder, recording)) is not None:
            return known
        response = self._transport.handle_request(_decodable(request))
        try:
            recording.begin(response)
        except CassetteError:
            response.close()
            raise
        return _recorded(response, recording)

    def close(self) -> None:
        """Close the other transport."""
        self._transport.close()


class AsyncRecorderTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient` that records what another transport answers, and replays what is recorded."""

    def __init__(self, recorder: Recorder, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Record with `recorder` what `transport` answers; None sends as `httpx.AsyncClient()`, through its proxies."""
        self._recorder, self._transport = recorder, transport or AsyncClientTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request from the cassette, or send and record it.

        Raises:
            CassetteError: the answer cannot be recorded.
        """
        recording = Recording(self._recorder, request, await request.aread())
        if (known := _known(self._recorder, recording)) is not None:
            return known
        response = await self._transport.handle_async_request(_decodable(request))
        try:
            recording.begin(response)
        except CassetteError:
            await response.aclose()
            raise
        return _recorded(response, recording)

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._transport.aclose()


def _known(recorder: Recorder, recording: Recording) -> httpx.Response | None:
    """Return the recorded answer of a request, or a refusal; None if it is to be sent."""
    try:
        exchange = recorder.replay(recording.key)
    except ServiceError as error:
        return refused(error)
    return None if exchange is None else replayed(exchange, recorder.speed)


def _decodable(request: httpx.Request) -> httpx.Request:
    """Return a request that accepts only what can be decoded."""
    headers = request.headers.copy()
    if "accept-encoding" in headers:
        headers["accept-encoding"] = acceptable(headers["accept-encoding"])
    extensions = request.extensions
    return httpx.Request(request.method, request.url, headers=headers, stream=request.stream, extensions=extensions)


def _recorded(response: httpx.Response, recording: Recording) -> httpx.Response:
    stream = _RecordedStream(response.stream, recording)
    headers, extensions = response.headers, response.extensions
    return httpx.Response(response.status_code, headers=headers, stream=stream, extensions=extensions)
