"""The socket: the only place where the two colours exist, side by side.

Each pair differs in `async` and `await` and in nothing else. What to send, how to read and when to try again is
decided by `Call` and `Reading`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

from cf_llama.call import Call, last
from cf_llama.clients import shared_async_client, shared_client
from cf_llama.connection import Connection
from cf_llama.reply import Delta, Reply
from cf_llama.request import ChatRequest


@dataclass(frozen=True, slots=True)
class Transport:
    """Sends requests over a connection.

    Every method raises a `WorkersAIError`, and nothing else, when the call fails.

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
        call, client = Call(self.connection, request, stream=False), self._client()
        while True:
            with call.attempt():
                response = client.send(call.http_request(client), stream=True, follow_redirects=False)
                try:
                    body = response.read()
                finally:
                    response.close()
                return last(call.reading(response), body)
            time.sleep(call.pause())

    async def arun(self, request: ChatRequest) -> Reply:
        """Ask for an answer that comes whole."""
        call, client = Call(self.connection, request, stream=False), await self._async_client()
        while True:
            with call.attempt():
                response = await client.send(call.http_request(client), stream=True, follow_redirects=False)
                try:
                    body = await response.aread()
                finally:
                    await response.aclose()
                return last(call.reading(response), body)
            await asyncio.sleep(call.pause())

    def stream(self, request: ChatRequest) -> Generator[Delta, None, None]:
        """Ask for an answer in pieces; the last delta carries the whole reply. Close it to stop early."""
        if not request.streamable:
            for delta in deltas_of(self.run(request)):
                yield delta
            return
        call, client = Call(self.connection, request, stream=True), self._client()
        while True:
            with call.attempt():
                response = client.send(call.http_request(client), stream=True, follow_redirects=False)
                try:
                    if not response.is_success:
                        response.read()
                    reading = call.reading(response)
                    for chunk in response.iter_bytes():
                        for delta in reading.feed(chunk):
                            yield delta
                        if reading.done:
                            break
                    for delta in reading.finish():
                        yield delta
                finally:
                    response.close()
                return
            time.sleep(call.pause())

    async def astream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for an answer in pieces; the last delta carries the whole reply. Close it to stop early."""
        if not request.streamable:
            for delta in deltas_of(await self.arun(request)):
                yield delta
            return
        call, client = Call(self.connection, request, stream=True), await self._async_client()
        while True:
            with call.attempt():
                response = await client.send(call.http_request(client), stream=True, follow_redirects=False)
                try:
                    if not response.is_success:
                        await response.aread()
                    reading = call.reading(response)
                    async for chunk in response.aiter_bytes():
                        for delta in reading.feed(chunk):
                            yield delta
                        if reading.done:
                            break
                    for delta in reading.finish():
                        yield delta
                finally:
                    await response.aclose()
                return
            await asyncio.sleep(call.pause())

    def _client(self) -> Any:
        return shared_client() if self.client is None else self.client

    async def _async_client(self) -> Any:
        return await shared_async_client() if self.async_client is None else self.async_client


def deltas_of(reply: Reply) -> Generator[Delta, None, None]:
    """A whole reply as the stream it could have been."""
    if reply.text:
        yield Delta(text=reply.text)
    if reply.tool_calls:
        yield Delta(tool_calls=reply.tool_calls)
    yield Delta(reply=reply)
