"""Shared fixtures: the model under test, sync and async calls, and instrumentation events."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # re-exported, unmarked
from llama_index.core.instrumentation.event_handlers import BaseEventHandler


class CallStyle:
    """Calls a method of a model or, if `asynchronous`, its async twin in a new event loop."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def call(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the result of a method."""
        if self.asynchronous:
            return asyncio.run(getattr(llm, f"a{method}")(*args, **kwargs))
        return getattr(llm, method)(*args, **kwargs)

    def parts(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Return all parts of a streamed answer, or the one of a whole answer."""
        if method.startswith("stream"):
            return self.items(llm, method, *args, **kwargs)
        return [self.call(llm, method, *args, **kwargs)]

    def items(self, llm: Any, method: str, *args: Any, most: int | None = None, **kwargs: Any) -> list[Any]:
        """Return all items of a streaming method, or the first `most`, and then close the stream."""
        if self.asynchronous:
            return asyncio.run(_collected(getattr(llm, f"a{method}")(*args, **kwargs), most))
        stream, collected = getattr(llm, method)(*args, **kwargs), []
        for item in stream:
            collected.append(item)
            if len(collected) == most:
                stream.close()
        return collected


async def _collected(coroutine: Any, most: int | None) -> list[Any]:
    stream, collected = await coroutine, []
    async for item in stream:
        collected.append(item)
        if len(collected) == most:
            await stream.aclose()
    return collected


class _Collector(BaseEventHandler):
    seen: list[Any]

    @classmethod
    def class_name(cls) -> str:
        return "ConformanceCollector"

    def handle(self, event: Any, **_: Any) -> None:
        self.seen.append(event)


class Conformance:
    """The model under test, its properties, and the prompts sent to it."""

    question = "Say hello."
    tool_question = "Please multiply 6 by 7 with the tool."
    structured_prompt = "The person is called 'Ada' and is 36 years old. Who is it? {hint}"

    secrets: tuple[str, ...] = ()
    """Credentials, such as an API key, that must be redacted."""
    pickles_secrets = False
    """Whether a pickle may hold `secrets`."""
    deterministic = True
    """Whether the same request gets the same answer."""
    counts_tokens = True
    """Whether responses include token counts."""
    reads_images = False
    """Whether the model accepts images."""

    @pytest.fixture
    def llm(self) -> Any:
        """The model under test. Override this fixture."""
        raise NotImplementedError("override the fixture llm")

    @pytest.fixture(params=[False, True], ids=["sync", "async"])
    def style(self, request: pytest.FixtureRequest) -> CallStyle:
        """Sync and async calls."""
        return CallStyle(asynchronous=request.param)

    @pytest.fixture
    def events(self) -> Generator[list[Any], None, None]:
        """The instrumentation events of a test, in order."""
        collector, root = _Collector.model_construct(seen=[]), get_dispatcher()
        root.add_event_handler(collector)
        yield collector.seen
        root.event_handlers.remove(collector)

    def messages(self) -> list[ChatMessage]:
        """A conversation of one user message."""
        return [ChatMessage(role="user", content=self.question)]

    def arguments(self, method: str) -> Any:
        """The argument of one of the eight methods: a prompt to complete, or messages."""
        return self.question if method.endswith("complete") else self.messages()


def text_of(response: Any) -> str:
    """The text of a chat or completion response."""
    return str(response.text if hasattr(response, "text") else response.message.content or "")
