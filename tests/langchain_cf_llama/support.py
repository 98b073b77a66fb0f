"""A model before an emulator that says what a test tells it to, called in either caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server.threaded import RunningEmulator, serve
from cf_llama_emulator.wire.engine_protocol import EngineRequest, Piece
from langchain_cf_llama import ChatCloudflareLlama


def settings_for(emulator: RunningEmulator, **settings: Any) -> dict[str, Any]:
    return {
        "base_url": emulator.base_url,
        "account_id": emulator.account_id,
        "api_token": emulator.api_token,
        "max_retries": 0,
        **settings,
    }


class Stage:
    """An emulator with a script, and a model before it."""

    name = "script"

    def __init__(self, shape: str) -> None:
        self._engine = ScriptEngine()
        self.emulator = serve(self, shape=shape)

    def cleared(self) -> Self:
        """Without what an earlier test has left."""
        self._engine = ScriptEngine()
        self.emulator.requests.clear()
        return self

    def model(self, *turns: Any, kind: type = ChatCloudflareLlama, **settings: Any) -> Any:
        """A model that will be answered with these turns, one for each request."""
        self._engine.say(*turns)
        return kind(**settings_for(self.emulator, **settings))

    def answer(self, ask: EngineRequest) -> AsyncIterator[Piece]:
        return self._engine.answer(ask)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [seen.body for seen in self.emulator.requests]

    @property
    def asked(self) -> dict[str, Any]:
        return self.bodies[-1]


class Sync:
    def call(self, runnable: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(runnable, method)(*args, **kwargs)

    def invoke(self, runnable: Any, *args: Any, **kwargs: Any) -> Any:
        return self.call(runnable, "invoke", *args, **kwargs)

    def stream(self, runnable: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(runnable.stream(*args, **kwargs))


class Async(Sync):
    def call(self, runnable: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.run(lambda: getattr(runnable, f"a{method}")(*args, **kwargs))

    def stream(self, runnable: Any, *args: Any, **kwargs: Any) -> list[Any]:
        async def collected() -> list[Any]:
            return [item async for item in runnable.astream(*args, **kwargs)]

        return self.run(collected)

    @staticmethod
    def run(coroutine: Callable[[], Any]) -> Any:
        async def main() -> Any:
            return await coroutine()

        return asyncio.run(main())


def folded(chunks: list[Any]) -> Any:
    first, *rest = chunks
    for chunk in rest:
        first = first + chunk
    return first
