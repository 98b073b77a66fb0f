"""The socket: the only place where the two colours exist, side by side.

Each pair differs in `async` and `await` and in nothing else. What to send, how to read and when to try again is
decided by `ChatCall` and `ResponseReader`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import cache
from typing import Any

from cf_llama.config.connection import Connection
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.model import MODEL
from cf_llama.protocol.reply import Delta, Reply
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport import logs  # noqa: F401 - from here on lines about requests hold no account id
from cf_llama.transport.call import Call
from cf_llama.transport.chat_call import ChatCall
from cf_llama.transport.json_call import JSONCall, JSONRequest, JSONResponse
from cf_llama.transport.limits.gate import Limits
from cf_llama.transport.limits.registry import limits_of


@dataclass(frozen=True, slots=True)
class Transport:
    """Sends requests over a connection.

    Every method raises a `WorkersAIError`, and nothing else, when the call fails. What the hooks and transports of a
    client of your own raise passes through as it is, unless it is an error of httpx's.

    Args:
        connection: Where to, and with which account.
        client: Your own `httpx.Client` (or httpx2's); it is used as it is and never closed. None: the shared one.
        async_client: The same for the asynchronous methods.
    """

    connection: Connection
    client: Any = None
    async_client: Any = None

    def run(self, request: ChatRequest) -> Reply:
        """Ask for an answer that comes whole."""
        reply = Reply()
        for delta in self._deltas(ChatCall(self.connection, request, stream=False)):
            reply = delta.reply or reply
            del delta  # else it would stand beside the error of the next
        return reply

    async def arun(self, request: ChatRequest) -> Reply:
        """Ask for an answer that comes whole."""
        reply = Reply()
        async for delta in self._adeltas(ChatCall(self.connection, request, stream=False)):
            reply = delta.reply or reply
            del delta  # else it would stand beside the error of the next
        return reply

    def stream(self, request: ChatRequest) -> Generator[Delta, None, None]:
        """Ask for an answer in pieces; the last delta carries the whole reply. Close it to stop early."""
        return self._deltas(ChatCall(self.connection, request, stream=request.can_stream))

    def astream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for an answer in pieces; the last delta carries the whole reply. Close it to stop early."""
        return self._adeltas(ChatCall(self.connection, request, stream=request.can_stream))

    def limits(self, model: str = MODEL) -> Limits | None:
        """What this process knows of the account's limits, as plain data; None where `rate_limit` is False."""
        return limits_of(self.connection, model)

    def post(self, request: JSONRequest) -> JSONResponse:
        """Ask for what is no answer of the model: a page of JSON."""
        call = JSONCall(self.connection, request)
        for _ in self._deltas(call):
            pass
        return call.page

    async def apost(self, request: JSONRequest) -> JSONResponse:
        """Ask for what is no answer of the model: a page of JSON."""
        call = JSONCall(self.connection, request)
        async for _ in self._adeltas(call):
            pass
        return call.page

    def _deltas(self, call: Call) -> Generator[Delta, None, None]:
        client = self._client()
        while True:
            with call.attempt():
                call.reserve()
                if call.admission:
                    call.admission.enter()
                with closing(_attempt(call, client)) as deltas:
                    for delta in deltas:
                        yield delta
                        del delta  # else it would stand beside the error of the next
                return
            time.sleep(call.pause())

    async def _adeltas(self, call: Call) -> AsyncGenerator[Delta, None]:
        client = await self._async_client()
        while True:
            with call.attempt():
                call.reserve()
                if call.admission:
                    await call.admission.aenter()
                async with aclosing(_aattempt(call, client)) as deltas:
                    async for delta in deltas:
                        yield delta
                        del delta  # else it would stand beside the error of the next
                return
            await asyncio.sleep(call.pause())

    def _client(self) -> Any:
        return _opened(self.client) or _clients().shared_client(self.connection.max_connections)

    async def _async_client(self) -> Any:
        return _opened(self.async_client) or await _clients().shared_async_client(self.connection.max_connections)


def _opened(client: Any) -> Any:
    """A client of the user's own, if there is one, that can still send."""
    if client is not None and client.is_closed:
        raise InvalidRequestError(
            "the http_client or http_async_client of your own is closed: keep it open for as long as the model is used"
        )
    return client


def _attempt(call: Call, client: Any) -> Generator[Delta, None, None]:
    """One attempt. What the server says stands in the variables of this frame, which no error carries."""
    response = client.send(call.http_request(client), stream=True, follow_redirects=False)
    try:
        call.open(response)
        with call.receiving():
            for chunk in _bytes(response):
                for delta in call.feed(chunk):
                    yield delta
                if call.done:
                    break
        for delta in call.finish():
            yield delta
    finally:
        response.close()


async def _aattempt(call: Call, client: Any) -> AsyncGenerator[Delta, None]:
    """One attempt. What the server says stands in the variables of this frame, which no error carries."""
    response = await client.send(call.http_request(client), stream=True, follow_redirects=False)
    try:
        call.open(response)
        with call.receiving():
            async for chunk in _abytes(response):
                for delta in call.feed(chunk):
                    yield delta
                if call.done:
                    break
        for delta in call.finish():
            yield delta
    finally:
        await response.aclose()


def _bytes(response: Any) -> Iterator[bytes]:
    """The body as it was sent, or as a client of the user's own has read it already."""
    return iter(response.iter_bytes() if response.is_stream_consumed else response.stream)


def _abytes(response: Any) -> AsyncIterator[bytes]:
    """The body as it was sent, or as a client of the user's own has read it already."""
    return aiter(response.aiter_bytes() if response.is_stream_consumed else response.stream)


@cache
def _clients() -> Any:
    """The shared clients; their module brings httpx, which takes longer to import than all of ours."""
    from cf_llama.transport.http import clients  # noqa: PLC0415 - as said above

    return clients
