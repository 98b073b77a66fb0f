"""The model against emulators on real sockets, asked sync and async."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server.threaded import RunningEmulator, serve
from cf_llama_emulator.wire.engine_protocol import EngineRequest, Piece
from llama_index_cf_llama import CloudflareLlama


class Caller:
    """Calls a method of a model, or its asynchronous twin."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    async def call(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.asynchronous:
            return await getattr(llm, f"a{method}")(*args, **kwargs)
        return getattr(llm, method)(*args, **kwargs)

    async def items(self, llm: Any, method: str, *args: Any, into: list[Any] | None = None, **kwargs: Any) -> list[Any]:
        """All that a streaming method gives, also `into` a list, which holds what came before an error."""
        collected: list[Any] = [] if into is None else into
        stream = await self.call(llm, method, *args, **kwargs)
        if self.asynchronous:
            async for item in stream:
                collected.append(item)  # noqa: PERF401 - item by item, for an error may come
        else:
            collected.extend(stream)
        return collected


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def caller(request):
    return Caller(asynchronous=request.param)


@pytest.fixture(params=["native", "hybrid"])
def shape(request):
    return request.param


def model(emulator: RunningEmulator, kind: type[CloudflareLlama] = CloudflareLlama, **fields: Any) -> CloudflareLlama:
    account = {"account_id": emulator.account_id, "api_token": emulator.api_token}
    return kind(**{"base_url": emulator.base_url, "max_retries": 0, **account, **fields})


class Talk:
    """A model, and what it sent and was sent."""

    def __init__(self, emulator: RunningEmulator, **fields: Any) -> None:
        self.emulator = emulator
        self.llm = model(emulator, **fields)
        self._earlier = len(emulator.requests)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the requests that this talk made."""
        return [seen.body for seen in self.emulator.requests[self._earlier :]]


@pytest.fixture(scope="session")
def rule_emulator():
    with serve(RuleEngine()) as emulator:
        yield emulator


@pytest.fixture
def rules(rule_emulator):
    """Start a talk with the rule engine."""
    return lambda **fields: Talk(rule_emulator, **fields)


class Stage:
    """An engine whose script each test writes anew, for starting an emulator takes its time."""

    name = "stage"

    def __init__(self) -> None:
        self.script = ScriptEngine()

    def answer(self, ask: EngineRequest) -> AsyncIterator[Piece]:
        return self.script.answer(ask)


@pytest.fixture(scope="session")
def stages():
    """A stage for each shape, with its emulator."""
    with contextlib.ExitStack() as stack:
        made = {shape: Stage() for shape in ("native", "hybrid")}
        yield {shape: (stage, stack.enter_context(serve(stage, shape=shape))) for shape, stage in made.items()}


@pytest.fixture
def script(stages):
    """Start a talk with an emulator that gives these answers, one a request."""

    def start(*turns: Any, shape: str = "native", **fields: Any) -> Talk:
        stage, emulator = stages[shape]
        stage.script = ScriptEngine(turns)
        return Talk(emulator, **fields)

    return start


class _Collector(BaseEventHandler):
    seen: list[Any]

    @classmethod
    def class_name(cls) -> str:
        return "Collector"

    def handle(self, event: Any, **_: Any) -> None:
        self.seen.append(event)


@pytest.fixture
def events():
    """The instrumentation events of a test, as they come."""
    seen: list[Any] = []
    handler = _Collector.model_construct(seen=seen)
    root = get_dispatcher("root")
    root.add_event_handler(handler)
    yield seen
    root.event_handlers.remove(handler)
