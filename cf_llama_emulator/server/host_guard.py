"""Rejects requests by host and origin."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from cf_llama_emulator.server.auth import refusal_of_origin
from cf_llama_emulator.settings import Settings


@dataclass
class LocalOnly:
    """Keeps web pages away from an emulator on their reader's machine."""

    app: ASGIApp
    settings: Settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or reject it with 403 and a reason in plain text."""
        if scope["type"] == "http":
            headers = Request(scope).headers
            reason = refusal_of_origin(headers, self.settings.hosts, self.settings.origins)
            if reason is not None:
                await PlainTextResponse(reason + "\n", 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)
