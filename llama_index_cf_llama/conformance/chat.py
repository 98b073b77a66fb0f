"""Tests of the eight chat and completion methods."""
# ruff: noqa: S101 - tests assert

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, ImageBlock, TextBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from llama_index_cf_llama.conformance.base import CallStyle, Conformance, text_of

WHOLE = pytest.mark.parametrize("method", ["chat", "complete"])
STREAMED = pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
EVERY = pytest.mark.parametrize("method", ["chat", "complete", "stream_chat", "stream_complete"])


class ChatConformance(Conformance):
    """Chat and completion, complete and streamed."""

    @WHOLE
    def test_answers_whole(self, llm: Any, style: CallStyle, method: str) -> None:
        """Every use of a model."""
        response = style.call(llm, method, self.arguments(method))
        assert text_of(response)
        if method == "complete":
            assert isinstance(response, CompletionResponse)
        else:
            assert isinstance(response, ChatResponse)
            assert response.message.role == "assistant"

    @STREAMED
    def test_streaming_methods_return_generators(self, llm: Any, method: str) -> None:
        """The callback decorators, which check for generators; an async method returns one when awaited."""
        stream = getattr(llm, method)(self.arguments(method))
        assert inspect.isgenerator(stream)
        stream.close()
        coroutine = getattr(llm, f"a{method}")(self.arguments(method))
        assert inspect.iscoroutine(coroutine)
        assert asyncio.run(_is_generator(coroutine))

    @STREAMED
    def test_streams_grow(self, llm: Any, style: CallStyle, method: str) -> None:
        """Agents, chat engines and streamed objects: an item holds all text so far, its delta the new text."""
        items = style.items(llm, method, self.arguments(method))
        assert items
        assert all(isinstance(item.delta, str) for item in items)
        grown = ""
        for item in items:
            grown += item.delta
            assert text_of(item) == grown
        assert grown

    def test_messages_have_one_text(self, llm: Any, style: CallStyle) -> None:
        """`ChatMessage.content`, which joins text blocks with newlines."""
        responses = [style.call(llm, "chat", self.messages()), *style.items(llm, "stream_chat", self.messages())]
        assert all(
            len([block for block in response.message.blocks if isinstance(block, TextBlock)]) == 1
            for response in responses
        )

    def test_all_ways_agree(self, llm: Any, style: CallStyle) -> None:
        """Code that turns streaming on."""
        if not self.deterministic:
            pytest.skip("the model is not deterministic")
        for kind in ("chat", "complete"):
            whole = text_of(style.call(llm, kind, self.arguments(kind)))
            assert text_of(style.items(llm, f"stream_{kind}", self.arguments(kind))[-1]) == whole

    def test_takes_a_whole_conversation(self, llm: Any, style: CallStyle) -> None:
        """Memory and chat engines."""
        conversation = [
            ChatMessage(role="system", content="You are brief."),
            *self.messages(),
            ChatMessage(role="assistant", content="Hello."),
            ChatMessage(role="user", blocks=[TextBlock(text="And"), TextBlock(text="goodbye?")]),
        ]
        before = [message.model_dump_json() for message in conversation]
        assert text_of(style.call(llm, "chat", conversation))
        assert [message.model_dump_json() for message in conversation] == before, "the caller's messages were changed"

    @EVERY
    def test_one_call_is_one_event(self, llm: Any, style: CallStyle, events: list[Any], method: str) -> None:
        """Observability and cost: a nested event counts tokens twice."""
        style.parts(llm, method, self.arguments(method))
        kind = "LLMCompletion" if method.endswith("complete") else "LLMChat"
        names = [event.class_name() for event in events if event.class_name().startswith(("LLMChat", "LLMCompletion"))]
        assert [name for name in names if "Progress" not in name] == [f"{kind}StartEvent", f"{kind}EndEvent"]

    @EVERY
    def test_tokens_are_counted_exactly(self, llm: Any, style: CallStyle, method: str) -> None:
        """`TokenCountingHandler`, which otherwise estimates with another model's tokenizer."""
        if not self.counts_tokens:
            pytest.skip("responses include no token counts")
        counter = TokenCountingHandler()
        llm.callback_manager = CallbackManager([counter])
        last = style.parts(llm, method, self.arguments(method))[-1]
        usage = last.raw if isinstance(last.raw, dict) else dict(last.raw or {})
        assert usage.get("usage"), "raw has no top-level key 'usage'"
        counts = usage["usage"] if isinstance(usage["usage"], dict) else usage["usage"].model_dump()
        assert counts["prompt_tokens"] > 0
        counted = (counter.prompt_llm_token_count, counter.completion_llm_token_count)
        assert counted == (counts["prompt_tokens"], counts["completion_tokens"])

    @STREAMED
    def test_a_stream_can_be_left(self, llm: Any, style: CallStyle, method: str) -> None:
        """Code that closes a stream early."""
        assert len(style.items(llm, method, self.arguments(method), most=1)) == 1

    def test_images_are_read_or_refused(self, llm: Any, style: CallStyle) -> None:
        """Callers, who would trust an answer about an image that the model did not get."""
        if self.reads_images:
            pytest.skip("the model accepts images")
        picture = ImageBlock(url="https://example.com/cat.png", image_mimetype="image/png")
        message = ChatMessage(role="user", blocks=[TextBlock(text=self.question), picture])
        with pytest.raises(Exception):  # noqa: B017, PT011 - LlamaIndex has no common error class
            style.call(llm, "chat", [message])


async def _is_generator(coroutine: Any) -> bool:
    stream = await coroutine
    is_generator = inspect.isasyncgen(stream)
    await stream.aclose()
    return is_generator
