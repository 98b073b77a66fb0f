"""Who asks: each makes one call, as its users would write it, with the retries that it has by default."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
from langchain_core.rate_limiters import InMemoryRateLimiter

from benchmarks.speed.service import ACCOUNT_ID, TOKEN, Service
from cf_llama import MODEL, RateLimit
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

Call = Callable[[], Awaitable[Any]]
OURS = "cf-llama, LangChain"
TOLD = "cf-llama, told the limit"
LLAMA_INDEX = "cf-llama, LlamaIndex"
LIMITER = "LangChain's rate limiter"
CLOUDFLARE = "langchain-cloudflare"
OPENAI = "ChatOpenAI"
RAW = "httpx, 5 retries"
ALL = (OURS, TOLD, LLAMA_INDEX, LIMITER, CLOUDFLARE, OPENAI, RAW)


def clients(service: Service, limit: RateLimit | None) -> Iterator[tuple[str, Callable[[], Call]]]:
    """Yield the name of each client that is installed, and what makes its call; without a limit, fewer."""
    ours: dict[str, Any] = {"base_url": service.base_url, "account_id": ACCOUNT_ID, "api_token": TOKEN}
    yield OURS, lambda: _langchain(ChatCloudflareLlama(**ours))
    if limit:
        yield TOLD, lambda: _langchain(ChatCloudflareLlama(**ours, rate_limit=limit))
    yield LLAMA_INDEX, lambda: _llama_index(CloudflareLlama(**ours))
    if limit:
        yield LIMITER, lambda: _langchain(ChatCloudflareLlama(**ours, rate_limit=False, rate_limiter=_limiter(limit)))
    yield CLOUDFLARE, lambda: _langchain(_cloudflare(service))
    yield OPENAI, lambda: _langchain(_openai(service))
    yield RAW, lambda: _httpx(service)


def _langchain(model: Any) -> Call:
    return lambda: model.ainvoke("Hi")


def _llama_index(model: CloudflareLlama) -> Call:
    return lambda: model.acomplete("Hi")


def _limiter(limit: RateLimit) -> InMemoryRateLimiter:
    return InMemoryRateLimiter(
        requests_per_second=limit.requests / limit.seconds, max_bucket_size=limit.requests, check_every_n_seconds=0.05
    )


def _cloudflare(service: Service) -> Any:
    from langchain_cloudflare import ChatCloudflareWorkersAI  # noqa: PLC0415 - may be missing

    return ChatCloudflareWorkersAI(model=MODEL, base_url=service.base_url, account_id=ACCOUNT_ID, api_token=TOKEN)


def _openai(service: Service) -> Any:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - may be missing

    return ChatOpenAI(model=MODEL, base_url=service.openai_url, api_key=TOKEN)


def _httpx(service: Service) -> Call:
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60)
    body, headers = {"messages": [{"role": "user", "content": "Hi"}]}, {"authorization": f"Bearer {TOKEN}"}

    async def call() -> None:
        for attempt in range(6):
            answer = await client.post(service.run_url, json=body, headers=headers)
            if answer.is_success:
                return
            await asyncio.sleep(2**attempt * 0.5 * random.uniform(0.5, 1.5))
        answer.raise_for_status()

    return call
