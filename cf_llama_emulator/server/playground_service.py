"""Sends requests of the playground to the real service, with a token that the page never sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from secrets import compare_digest

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from cf_llama_emulator.cassettes.client_transport import AsyncClientTransport
from cf_llama_emulator.cassettes.credentials import kept_headers
from cf_llama_emulator.cassettes.replay import request_key
from cf_llama_emulator.playground.app import KEY_HEADER
from cf_llama_emulator.playground.spending import CountedRequest, Spending
from cf_llama_emulator.server.forwarding import (
    ForwardingError,
    aborted_by_failures,
    bad_gateway,
    forward,
)
from cf_llama_emulator.server.redaction import Redactor
from cf_llama_emulator.server.replay import note_details
from cf_llama_emulator.server.request_context import check_size, read_request
from cf_llama_emulator.server.responses import EventStream, json_response
from cf_llama_emulator.server.usage_reader import UsageReader
from cf_llama_emulator.settings import ServiceAccount
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.models import MODEL

_JSON = "application/json"
_CONNECT_SECONDS = 10.0
_FREE = (httpx.ConnectError, httpx.ConnectTimeout)
"""Failures before anything has been sent."""


class PlaygroundService:
    """The page's route to the service, an ASGI application; its body is that of `/ai/run`."""

    def __init__(self, account: ServiceAccount, key: str, spending: Spending) -> None:
        """Ask with `account`, for the page that knows `key`."""
        self._account, self._key, self._spending = account, key, spending
        self._tls = httpx.create_ssl_context()  # costs 30 ms, so once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        if not self._is_of_the_page(request):
            refused = PlainTextResponse("Only the playground's own page may ask the service.\n", 403)
            await refused(scope, receive, send)
            return
        request.state.read_request = came = await read_request(request)
        note_details(request, request_key(request.method, "", "", came.content))
        request.state.model = MODEL
        try:
            check_size(came.content)
        except ServiceError as error:
            await json_response(error.body("playground"), error.status)(scope, receive, send)
            return
        async with httpx.AsyncClient(verify=self._tls, follow_redirects=False) as client:
            counted = CountedRequest(self._spending)
            try:
                response = await self._answer(request, came.content, client, counted)
                await response(scope, receive, send)
            finally:
                counted.end()

    def _is_of_the_page(self, request: Request) -> bool:
        """Whether a request may spend the account's money: no other page can send one like it."""
        headers = request.headers
        return (
            headers.get("origin") == f"http://{headers.get('host', '')}"
            and headers.get("sec-fetch-site", "same-origin") == "same-origin"
            and headers.get("content-type", "").partition(";")[0].strip() == _JSON
            and compare_digest(headers.get(KEY_HEADER, "").encode(), self._key.encode())
        )

    async def _answer(
        self, request: Request, content: bytes, client: httpx.AsyncClient, counted: CountedRequest
    ) -> Response:
        try:
            response = await forward(request, self._outgoing(content), AsyncClientTransport(client))
        except ForwardingError as error:
            counted.may_cost = not isinstance(error.reason, _FREE)
            return self._failure(error)
        counted.may_cost = response.is_success
        headers = kept_headers(response.headers.multi_items())
        redactor = self._redactor()
        redacted = {name: redactor.text(value) for name, value in headers.items()}
        return EventStream(self._chunks(request, response, counted), response.status_code, redacted)

    def _outgoing(self, content: bytes) -> httpx.Request:
        """Return a request of which nothing but the body is the page's."""
        account = self._account
        url = f"{account.base_url.rstrip('/')}/accounts/{account.account_id}/ai/run/{MODEL}"
        headers = {
            "authorization": f"Bearer {account.api_token}",
            "content-type": _JSON,
            "accept-encoding": "identity",  # so that secrets are found in what is answered
            "user-agent": "cf-llama-playground",
        }
        timeout = httpx.Timeout(account.read_timeout, connect=min(_CONNECT_SECONDS, account.read_timeout))
        return httpx.Request("POST", url, headers=headers, content=content, extensions={"timeout": timeout.as_dict()})

    def _redactor(self) -> Redactor:
        return Redactor((self._account.api_token, self._account.account_id))

    def _failure(self, error: ForwardingError) -> Response:
        """Return why there is no answer, in the service's form."""
        if isinstance(error.reason, httpx.ReadTimeout):
            return bad_gateway("serve", f"no answer of {self._account.host} for {self._account.read_timeout:g} s")
        return error.response("serve")

    async def _chunks(
        self, request: Request, response: httpx.Response, counted: CountedRequest
    ) -> AsyncGenerator[bytes]:
        """Yield an answer without secrets, and count it before its last byte is out."""
        redactor, usage = self._redactor(), UsageReader()
        try:
            async with aclosing(aborted_by_failures(response.aiter_bytes(), response)) as chunks:
                async for chunk in chunks:
                    usage.feed(chunk)
                    if redacted := redactor.feed(chunk):
                        yield redacted
            yield redactor.finish()
        finally:
            if (tokens := usage.finish()) is not None:
                counted.usage = request.state.tokens = tokens
            counted.end()
