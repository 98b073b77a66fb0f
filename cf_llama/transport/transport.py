"""Sends requests and receives responses: the only place where sync and async code exist side by side.

Each pair of functions differs in `async` and `await` only. `ChatCall` decides what to send and when to retry,
`ResponseReader` how to read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import cache
from time import sleep
from typing import Any

from cf_llama.config.connection import Connection
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.model import MODEL
from cf_llama.protocol.reply import Delta, Reply
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport import logs  # noqa: F401 - from here on lines about requests hold no account id
from cf_llama.transport.binding import SYNC, BindingClient
from cf_llama.transport.call import Call
from cf_llama.transport.chat_call import ChatCall
from cf_llama.transport.event_loop import async_sleep
from cf_llama.transport.json_call import JSONCall, JSONRequest, JSONResponse
from cf_llama.transport.limits.registry import limits_of
from cf_llama.transport.limits.snapshot import Limits


@dataclass(frozen=True, slots=True)
class Transport:
    """Sends requests over a connection.

    Every method raises only `WorkersAIError` when the call fails. Exceptions that hooks and transports of your own
    client raise pass through unchanged, unless they are httpx errors.

    Args:
        connection: Host, account and timeouts.
        client: Your own `httpx.Client` (or httpx2's); it is never closed. None: the client shared by the process.
        async_client: The same for the async methods.
    """

    connection: Connection
    client: Any = None
    async_client: Any = None

    def run(self, request: ChatRequest) -> Reply:
        """Send a request and return the whole reply."""
        reply = Reply()
        for delta in self._deltas(ChatCall(self.connection, request, stream=False)):
            reply = delta.reply or reply
            del delta  # so that no later error references it
        return reply

    async def arun(self, request: ChatRequest) -> Reply:
        """Send a request and return the whole reply."""
        reply = Reply()
        async for delta in self._adeltas(ChatCall(self.connection, request, stream=False)):
            reply = delta.reply or reply
            del delta  # so that no later error references it
        return reply

    def stream(self, request: ChatRequest) -> Generator[Delta, None, None]:
        """Send a request and yield its reply in deltas; the last delta has the whole reply. Close it to stop early."""
        return self._deltas(ChatCall(self.connection, request, stream=request.can_stream))

    def astream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Send a request and yield its reply in deltas; the last delta has the whole reply. Close it to stop early."""
        return self._adeltas(ChatCall(self.connection, request, stream=request.can_stream))

    def limits(self, model: str = MODEL) -> Limits | None:
        """What this process knows of the account's limits, as plain data; None where `rate_limit` is False."""
        return limits_of(self.connection, model)

    def post(self, request: JSONRequest) -> JSONResponse:
        """Send a request that is not answered by the model, and return its JSON response."""
        call = JSONCall(self.connection, request)
        for _ in self._deltas(call):
            pass
        return call.page

    async def apost(self, request: JSONRequest) -> JSONResponse:
        """Send a request that is not answered by the model, and return its JSON response."""
        call = JSONCall(self.connection, request)
        async for _ in self._adeltas(call):
            pass
        return call.page

    def _deltas(self, call: Call) -> Generator[Delta, None, None]:
        client = self._client()
        call.expect_written(reported=self.client is None)
        while True:
            with call.attempt():
                call.reserve()
                if call.admission:
                    call.admission.enter()
                with closing(_attempt(call, client)) as deltas:
                    for delta in deltas:
                        yield delta
                        del delta  # so that no later error references it
                return
            sleep(call.pause())

    async def _adeltas(self, call: Call) -> AsyncGenerator[Delta, None]:
        client = await self._async_client()
        call.expect_written(reported=self.async_client is None)
        while True:
            with call.attempt():
                call.reserve()
                if call.admission:
                    await call.admission.aenter()
                async with aclosing(_aattempt(call, client)) as deltas:
                    async for delta in deltas:
                        yield delta
                        del delta  # so that no later error references it
                return
            await async_sleep(call.pause())

    def _client(self) -> Any:
        if self.connection.binding is not None:
            raise InvalidRequestError(SYNC)
        return _opened(self.client) or _clients().shared_client(self.connection.max_connections)

    async def _async_client(self) -> Any:
        if self.connection.binding is not None:
            return BindingClient(self.connection)
        return _opened(self.async_client) or await _clients().shared_async_client(self.connection.max_connections)


def _opened(client: Any) -> Any:
    """The user's own client, if there is one, checked to be open."""
    if client is not None and client.is_closed:
        raise InvalidRequestError(
            "your own http_client or http_async_client is closed: keep it open while the model is in use"
        )
    return client


def _attempt(call: Call, client: Any) -> Generator[Delta, None, None]:
    """One attempt. Data from the server is held by this frame only, which no raised error references."""
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
    """One attempt. Data from the server is held by this frame only, which no raised error references."""
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
    """The raw body, or the decoded body if the user's own client has read it already."""
    return iter(response.iter_bytes() if response.is_stream_consumed else response.stream)


def _abytes(response: Any) -> AsyncIterator[bytes]:
    """The raw body, or the decoded body if the user's own client has read it already."""
    return aiter(response.aiter_bytes() if response.is_stream_consumed else response.stream)


@cache
def _clients() -> Any:
    """The module of shared clients. It imports httpx, which takes longer than everything else here."""
    from cf_llama.transport.http import clients  # noqa: PLC0415 - as said above

    return clients
