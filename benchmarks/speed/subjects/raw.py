"""One pooled httpx client and `json.loads`: what any client that is built on httpx pays at least."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any

import httpx

from benchmarks.speed.service import TOKEN
from benchmarks.speed.subjects.base import AAsk, Ask, AStream, Stream, Subject, definitions
from benchmarks.speed.task import Task

_HEADERS = {"authorization": f"Bearer {TOKEN}"}
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=20)
_DATA = "data: {"


class RawHttpx(Subject):
    """httpx and nothing else."""

    name = "raw httpx"

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(headers=_HEADERS, limits=_LIMITS, timeout=120)

    @cached_property
    def _async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers=_HEADERS, limits=_LIMITS, timeout=120)

    def asks(self, task: Task) -> Ask:
        """Prepare a question whose answer comes whole."""
        client, url, body = self._client, self.service.run_url, _body(task, stream=False)
        return lambda: json.loads(client.post(url, json=body).content)

    def aasks(self, task: Task) -> AAsk:
        """Prepare a question whose answer comes whole."""
        client, url, body = self._async_client, self.service.run_url, _body(task, stream=False)

        async def ask() -> Any:
            return json.loads((await client.post(url, json=body)).content)

        return ask

    def streams(self, task: Task) -> Stream:
        """Prepare a question whose answer comes in pieces."""
        client, url, body = self._client, self.service.run_url, _body(task, stream=True)

        def ask() -> Iterator[Any]:
            with client.stream("POST", url, json=body) as response:
                for line in response.iter_lines():
                    if line.startswith(_DATA):
                        yield json.loads(line[len(_DATA) - 1 :])

        return ask

    def astreams(self, task: Task) -> AStream:
        """Prepare a question whose answer comes in pieces."""
        client, url, body = self._async_client, self.service.run_url, _body(task, stream=True)

        async def ask() -> AsyncIterator[Any]:
            async with client.stream("POST", url, json=body) as response:
                async for line in response.aiter_lines():
                    if line.startswith(_DATA):
                        yield json.loads(line[len(_DATA) - 1 :])

        return ask

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._async_client.aclose()


def _body(task: Task, *, stream: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": task.messages, "max_tokens": 256}
    if tools := definitions(task):
        body["tools"] = tools
    return body | {"stream": True} if stream else body
