"""What AI Gateway makes of an answer that passes through it, and its cache of identical requests.

Source: Cloudflare docs, "AI Gateway: caching" and "Header glossary".
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from cf_llama_emulator.wire.errors import FrontError, ServiceError

GATEWAY, STATUS = "cf-aig-gateway-id", "cf-aig-cache-status"
DEFAULT_TTL = 300.0
"""Seconds that an answer is kept where only a cache key is given."""
CAPACITY = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it went out."""

    until: float
    status: int
    headers: Mapping[str, str]
    content: bytes

    def response(self) -> Response:
        """Return it once more."""
        return Response(self.content, self.status, {**self.headers, STATUS: "HIT"})


@dataclass
class Cache:
    """Answers by what was asked; the oldest go first."""

    _cached: dict[str, Kept] = field(default_factory=dict)

    def find(self, key: str | None) -> Response | None:
        """Return the answer that was given before, if it is still fresh."""
        cached = self._cached.get(key or "")
        return cached.response() if cached and cached.until > time.monotonic() else None

    def keeping(self, key: str | None, headers: Mapping[str, str], response: Response) -> Response:
        """Return `response`, which is cached once it has gone out whole; refusals are not."""
        if key is None or response.status_code != 200:  # noqa: PLR2004 - HTTP's OK
            return response
        if isinstance(response, StreamingResponse):
            source = response.body_iterator
            response.body_iterator = self._recorded(key, headers, response, source)  # type: ignore[arg-type] # ours
        else:
            self._keep(key, headers, response, bytes(response.body))
        return response

    async def _recorded(
        self, key: str, headers: Mapping[str, str], response: Response, chunks: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        content = bytearray()
        async with aclosing(chunks):
            async for chunk in chunks:
                content += chunk
                yield chunk
        self._keep(key, headers, response, bytes(content))

    def _keep(self, key: str, headers: Mapping[str, str], response: Response, content: bytes) -> None:
        ttl = headers.get("cf-aig-cache-ttl", "")
        until = time.monotonic() + (float(ttl) if ttl.isdecimal() else DEFAULT_TTL)
        self._cached[key] = Kept(until, response.status_code, dict(response.headers), content)
        for oldest in list(self._cached)[:-CAPACITY]:
            del self._cached[oldest]


def at_gateway(error: ServiceError) -> ServiceError:
    """Return a refusal as the gateway's own host writes it: in its form, and with its code for credentials."""
    if isinstance(error, FrontError) and error.code in {9106, 10000}:
        error = ServiceError(401, 2009, "Unauthorized")
    return error if error.form else error.with_changes(form="gateway")


def cache_key(headers: Mapping[str, str], gateway: str | None, path: str, content: bytes) -> str | None:
    """Return under what an answer is kept; None where the request does not ask for caching."""
    asks = "cf-aig-cache-ttl" in headers or "cf-aig-cache-key" in headers
    if gateway is None or not asks or headers.get("cf-aig-skip-cache") == "true":
        return None
    named = headers.get("cf-aig-cache-key")
    what = named.encode() if named else path.encode() + b"\0" + content
    return sha256(gateway.encode() + b"\0" + what).hexdigest()


def gateway_headers(model: str) -> dict[str, str]:
    """Return what a gateway adds to an answer."""
    return {
        STATUS: "MISS",
        "cf-aig-log-id": str(uuid.uuid4()),
        "cf-aig-step": "0",
        "cf-aig-provider": "workers-ai",
        "cf-aig-model": quote(model, safe="/@", errors="replace"),
    }
