"""Transports that send by a client of httpx, which knows the proxies and certificates of the environment."""

from __future__ import annotations

import httpx


class ClientTransport(httpx.BaseTransport):
    """Sends requests as they are, by a client."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        """Send by `client`; None creates a client."""
        self._client = client or httpx.Client()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._client.send(request, stream=True)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


class AsyncClientTransport(httpx.AsyncBaseTransport):
    """Sends requests as they are, by a client."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        """Send by `client`; None creates a client."""
        self._client = client or httpx.AsyncClient()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()
