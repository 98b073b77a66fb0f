"""One call in one of eight ways, and what came of it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from llama_index.core.llms import ChatMessage, ChatResponse

from benchmarks.chaos.meaning import TOOLS, question
from cf_llama import WorkersAIError
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

WAYS = ("invoke", "ainvoke", "stream", "astream", "chat", "achat", "stream_chat", "astream_chat")
STREAMS = {"stream", "astream", "stream_chat", "astream_chat"}


@dataclass(slots=True)
class Outcome:
    """What a caller got."""

    key: int
    kind: str
    way: str
    leaves: bool = False
    """Whether the caller meant to go away in the middle."""
    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    shown: str = ""
    """All pieces of the text, as they came."""
    whole: bool = False
    error: Exception | None = None
    counts: list[int] | None = None
    """Tokens of the prompt and of the answer."""


class Caller:
    """Both models before one service."""

    def __init__(self, **settings: Any) -> None:
        """Make them, with the same settings."""
        self._langchain, self._llama_index = ChatCloudflareLlama(**settings), CloudflareLlama(**settings)

    def call(self, outcome: Outcome) -> Outcome:
        """Make one synchronous call."""
        model, asked, options = self._pending(outcome)
        try:
            answer = getattr(model, outcome.way)(asked, **options)
            if outcome.way in STREAMS:
                with closing(answer) as items:
                    for item in items:
                        if _took(outcome, item):
                            break
            else:
                _finished(outcome, answer)
        except WorkersAIError as error:
            outcome.error = error
        return outcome

    async def acall(self, outcome: Outcome) -> Outcome:
        """Make one asynchronous call; one that is left early is cancelled if it does not stream."""
        model, asked, options = self._pending(outcome)
        try:
            answer = getattr(model, outcome.way)(asked, **options)
            if outcome.way in STREAMS:
                async with aclosing(await answer if outcome.way == "astream_chat" else answer) as items:
                    async for item in items:
                        if _took(outcome, item):
                            break
            elif outcome.leaves:
                await asyncio.wait_for(answer, 0.01)
            else:
                _finished(outcome, await answer)
        except WorkersAIError as error:
            outcome.error = error
        except TimeoutError:
            pass
        return outcome

    def _pending(self, outcome: Outcome) -> tuple[Any, Any, dict[str, Any]]:
        text, options = question(outcome.key, outcome.kind), _options(outcome.kind)
        if "chat" in outcome.way:
            return self._llama_index, [ChatMessage(content=text)], options
        return self._langchain, text, options


def _options(kind: str) -> dict[str, Any]:
    match kind:
        case "call" | "parallel":
            return {"tools": TOOLS}
        case "forced":
            return {"tools": TOOLS, "tool_choice": "required"}
        case "json":
            return {"response_format": {"type": "json_object"}}
    return {}


def _took(outcome: Outcome, item: Any) -> bool:
    """Take one piece of a stream; return whether the caller goes away now."""
    outcome.shown += item.text if isinstance(item, AIMessageChunk) else item.delta or ""
    if isinstance(item, ChatResponse):
        if item.raw:
            _finished(outcome, item)
    else:
        _gathered(outcome, item)
    return outcome.leaves and bool(outcome.shown)


def _gathered(outcome: Outcome, chunk: AIMessageChunk) -> None:
    outcome.text += chunk.text
    outcome.calls += [(call["name"], call["args"]) for call in chunk.tool_calls]
    outcome.ids += [str(call["id"]) for call in chunk.tool_calls]
    if usage := chunk.usage_metadata:
        outcome.counts = [usage["input_tokens"], usage["output_tokens"]]
    outcome.whole = outcome.whole or bool(chunk.response_metadata.get("finish_reason"))


def _finished(outcome: Outcome, answer: AIMessage | ChatResponse) -> None:
    outcome.whole = True
    if isinstance(answer, AIMessage):
        _gathered(outcome, AIMessageChunk(**answer.model_dump(exclude={"type"})))
        return
    selections = CloudflareLlama.get_tool_calls_from_response(
        CloudflareLlama.model_construct(), answer, error_on_no_tool_call=False
    )
    outcome.text = answer.message.content or ""
    outcome.calls = [(call.tool_name, call.tool_kwargs) for call in selections]
    outcome.ids = [call.tool_id for call in selections]
    counts = [answer.additional_kwargs.get(name) for name in ("prompt_tokens", "completion_tokens")]
    outcome.counts = None if None in counts else counts
