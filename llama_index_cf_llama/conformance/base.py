"""What the suites share: the model under test, both colours of calling it, and the events it causes."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # re-exported, unmarked
from llama_index.core.instrumentation.event_handlers import BaseEventHandler


class CallStyle:
    """Calls a method of a model, or, where `asynchronous`, its twin in an event loop of its own."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def call(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """What a method returns."""
        if self.asynchronous:
            return asyncio.run(getattr(llm, f"a{method}")(*args, **kwargs))
        return getattr(llm, method)(*args, **kwargs)

    def items(self, llm: Any, method: str, *args: Any, most: int | None = None, **kwargs: Any) -> list[Any]:
        """All that a streaming method gives, or, with `most`, so many before the stream is closed."""
        if self.asynchronous:
            return asyncio.run(_collected(getattr(llm, f"a{method}")(*args, **kwargs), most))
        stream, collected = getattr(llm, method)(*args, **kwargs), []
        for item in stream:
            collected.append(item)
            if len(collected) == most:
                stream.close()
        return collected


async def _collected(promise: Any, most: int | None) -> list[Any]:
    stream, collected = await promise, []
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
    """The model under test, and what a test may ask of it."""

    question = "Say hello."
    tool_question = "Please multiply 6 by 7 with the tool."
    structured_prompt = "The person is called 'Ada' and is 36 years old. Who is it? {hint}"

    secrets: tuple[str, ...] = ()
    """Texts, like an API key, that must not be seen."""
    pickles_secrets = False
    """Whether a pickle may hold them."""
    deterministic = True
    """Whether the same question gets the same answer."""
    counts_tokens = True
    """Whether answers say how many tokens they took."""
    reads_images = False

    @pytest.fixture
    def llm(self) -> Any:
        """The model under test: override it."""
        raise NotImplementedError("override the fixture llm")

    @pytest.fixture(params=[False, True], ids=["sync", "async"])
    def style(self, request: pytest.FixtureRequest) -> CallStyle:
        """Both colours of calling."""
        return CallStyle(asynchronous=request.param)

    @pytest.fixture
    def events(self) -> Generator[list[Any], None, None]:
        """The instrumentation events of a test, as they come."""
        collector, root = _Collector.model_construct(seen=[]), get_dispatcher()
        root.add_event_handler(collector)
        yield collector.seen
        root.event_handlers.remove(collector)

    def messages(self) -> list[ChatMessage]:
        """The simplest conversation."""
        return [ChatMessage(role="user", content=self.question)]

    def arguments(self, method: str) -> Any:
        """What one of the eight methods is asked."""
        return self.question if method.endswith("complete") else self.messages()


def text_of(response: Any) -> str:
    """The text of a chat's or a completion's response."""
    return str(response.text if hasattr(response, "text") else response.message.content or "")
