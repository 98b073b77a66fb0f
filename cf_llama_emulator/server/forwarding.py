"""Passes requests on to the service, and its answers back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable

import httpx
from starlette.requests import Request
from starlette.responses import Response

from cf_llama_emulator.cassettes.format import CassetteError
from cf_llama_emulator.server.responses import json_response, while_connected
from cf_llama_emulator.wire.errors import EMULATOR_CODE, ServiceError

CLIENT_GONE = 499
_OF_ONE_CONNECTION = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_OF_ONE_REQUEST = {*_OF_ONE_CONNECTION, "host", "content-length"}

RawHeaders = list[tuple[bytes, bytes]]


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return the headers of a request that are passed on."""
    return _without(headers, _OF_ONE_REQUEST)


def answer_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return the headers of an answer that are passed on."""
    return _without(headers, _OF_ONE_CONNECTION)


async def forward(request: Request, outgoing: httpx.Request, transport: httpx.AsyncBaseTransport) -> httpx.Response:
    """Send `outgoing` for as long as the client of `request` waits, and return the answer with its body unread.

    Raises:
        ForwardingError: there is no answer.
    """
    try:
        response = await while_connected(request, transport.handle_async_request(outgoing))
    except (httpx.HTTPError, CassetteError) as error:
        raise ForwardingError(outgoing.url.host, error) from None  # it may quote a header
    if response is None:
        raise ForwardingError(outgoing.url.host, None)
    return response


class ForwardingError(Exception):
    """No answer came back."""

    def __init__(self, host: str, reason: Exception | None) -> None:
        """Take what failed, or None for a client that is gone."""
        explanation = reason and (str(reason) or type(reason).__name__)
        super().__init__(f"no answer of {host}: {explanation or 'the client is gone'}")
        self.reason = reason

    def response(self, command: str) -> Response:
        """Return what the client gets."""
        if self.reason is None:
            return Response(status_code=CLIENT_GONE)
        return bad_gateway(command, str(self))


def bad_gateway(command: str, text: str) -> Response:
    """Return the answer of a proxy that got none; `command` says whose."""
    return json_response(ServiceError(502, EMULATOR_CODE, f"cf-llama {command}: {text}").body(command), 502)


async def aborted_by_failures(chunks: AsyncIterator[bytes], response: httpx.Response) -> AsyncGenerator[bytes]:
    """Yield the bytes of an answer as they come.

    Raises:
        ConnectionAbortedError: the service broke the answer off; so does the proxy.
    """
    try:
        async for chunk in chunks:
            yield chunk
    except httpx.HTTPError:
        raise ConnectionAbortedError from None
    finally:
        await response.aclose()


def _without(headers: Iterable[tuple[bytes, bytes]], names: set[str]) -> RawHeaders:
    return [(name.lower(), value) for name, value in headers if name.decode("latin-1").lower() not in names]
