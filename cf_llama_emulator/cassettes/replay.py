"""Finds the recorded answer of a request and replays it in the recorded chunks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import httpx

from cf_llama_emulator.cassettes.format import CassetteError, Exchange, read
from cf_llama_emulator.cassettes.match import differences, is_same, normalised, route_of
from cf_llama_emulator.wire.errors import EMULATOR_CODE, ServiceError

_PLACES = 3
"""Differences that the answer to an unknown request shows."""

_COMPARED = 500
"""Characters by which the nearest of several requests is found."""


class RequestKey(NamedTuple):
    """The part of a request that is compared."""

    method: str
    route: str
    body: Any


def request_key(method: str, path: str, query: str, content: bytes) -> RequestKey:
    """Return the key of a request."""
    return RequestKey(method, route_of(path, query)[0], normalised(content))


class Replayer:
    """Answers requests with the exchanges of a cassette. Several threads may share one."""

    def __init__(self, exchanges: Sequence[Exchange], *, again: bool = False) -> None:
        """Answer identical requests in the recorded order; `again` begins anew after the last of them."""
        self._exchanges, self._again = exchanges, again
        self._used: Counter[int] = Counter()
        self._lock = Lock()

    def find(self, request: RequestKey, least_status: int = 0) -> Exchange | None:
        """Return the answer of a request that is due, of those with this status or a higher one.

        None if there is none, or none any more.
        """
        with self._lock:
            fitting = [
                number
                for number, exchange in enumerate(self._exchanges)
                if exchange.status >= least_status and _fits(exchange, request)
            ]
            if not fitting:
                return None
            number = min(fitting, key=self._used.__getitem__)
            if self._used[number] and not self._again:
                return None
            self._used[number] += 1
            return self._exchanges[number]

    def answer(self, request: RequestKey) -> Exchange:
        """Return the answer of a request that is due.

        Raises:
            ServiceError: 404 with the emulator's own code; its text says how the nearest recorded request differs.
        """
        if (exchange := self.find(request)) is not None:
            return exchange
        raise ServiceError(404, EMULATOR_CODE, f"cf_llama_emulator: {explain_miss(self._exchanges, request)}")


def explain_miss(exchanges: Sequence[Exchange], request: RequestKey) -> str:
    """Say why a cassette has no answer, by the recorded request that is nearest."""
    head = f"{request.method} {request.route}"
    if times := sum(_fits(exchange, request) for exchange in exchanges):
        recorded = "once" if times == 1 else f"{times} times"
        return f"this request {head} is recorded {recorded}, and was sent once more than that"
    bodies = [each.body for each in exchanges if _is_of_route(each, request)]
    if not bodies:
        known = list(dict.fromkeys(f"{each.method} {each.route}" for each in exchanges))
        return f"no request {head} is recorded; the cassette has {_some(known, ', ')}"
    found = [differences(body, request.body) for body in bodies]
    fewest = min(map(len, found))
    nearest = max(
        (number for number, places in enumerate(found) if len(places) == fewest),
        key=lambda number: _likeness(bodies[number], request.body),
    )
    return f"no such request {head} is recorded; from the nearest it differs in {_some(found[nearest], '; ')}"


def _some(texts: Sequence[str], separator: str) -> str:
    """Return the first of some texts, and how many more there are."""
    more = [f"and {len(texts) - _PLACES} more"] if len(texts) > _PLACES else []
    return separator.join([*texts[:_PLACES], *more]) or "nothing"


def _likeness(recorded: Any, request: Any) -> float:
    """Return how alike the newest messages of two bodies are; 0 to 1."""
    return SequenceMatcher(None, _newest(recorded), _newest(request)).ratio()


def _newest(body: Any) -> str:
    return str(body.get("messages", body) if isinstance(body, dict) else body)[-_COMPARED:]


def _fits(exchange: Exchange, request: RequestKey) -> bool:
    return _is_of_route(exchange, request) and is_same(exchange.body, request.body)


def _is_of_route(exchange: Exchange, request: RequestKey) -> bool:
    return exchange.method == request.method and is_same(exchange.route, request.route)


def response_headers(exchange: Exchange) -> dict[str, str]:
    """Return the headers of an answer; with its length, except for a stream and for an answer that breaks off."""
    streams = exchange.headers.get("content-type", "").startswith("text/event-stream")
    length = {} if streams or not exchange.complete else {"content-length": str(len(exchange.content))}
    return {**exchange.headers, **length}


def check_speed(speed: float | None) -> None:
    """Check a speed of replay.

    Raises:
        CassetteError: it is not above 0.
    """
    if speed is not None and not speed > 0:
        raise CassetteError(f"the speed of a cassette must be above 0, or None for at once, not {speed}")


class ReplayStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The recorded pieces of an answer."""

    def __init__(self, exchange: Exchange, speed: float | None) -> None:
        """Wait as long as was recorded, divided by `speed`; None does not wait."""
        self._exchange, self._speed = exchange, speed

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._exchange.pieces:
            time.sleep(piece.wait / self._speed if self._speed else 0)
            yield piece.content
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._exchange.pieces:
            await asyncio.sleep(piece.wait / self._speed if self._speed else 0)
            yield piece.content
        self._end()

    def _end(self) -> None:
        if not self._exchange.complete:
            raise httpx.RemoteProtocolError("the recorded answer breaks off here")


def replayed(exchange: Exchange, speed: float | None) -> httpx.Response:
    """Return a recorded answer as a response of httpx."""
    return httpx.Response(exchange.status, headers=response_headers(exchange), stream=ReplayStream(exchange, speed))


def refused(error: ServiceError) -> httpx.Response:
    """Return an error as the service writes it."""
    return httpx.Response(error.status, json=error.body("cassette"))


class ReplayTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for httpx's clients, synchronous and asynchronous, that answers from a cassette and never connects.

    A request that the cassette does not have is answered with 404; the message says how the nearest one differs.
    """

    def __init__(self, cassette: str | Path, *, speed: float | None = None) -> None:
        """Read the file `cassette`.

        Args:
            cassette: The file.
            speed: 1 is as fast as recorded, 2 twice as fast; None is at once.

        Raises:
            CassetteError: the file cannot be read, or `speed` is not above 0.
        """
        check_speed(speed)
        self._replayer, self._speed = Replayer(read(cassette)), speed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        try:
            return replayed(self._replayer.answer(key_of_request(request, content)), self._speed)
        except ServiceError as error:
            return refused(error)


def key_of_request(request: httpx.Request, content: bytes) -> RequestKey:
    """Return the key of a request of httpx."""
    return request_key(request.method, request.url.path, request.url.query.decode("ascii"), content)
