"""Chat models of LangChain: what they have in common, the one that talks to nobody, and ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import StructuredTool

from benchmarks.speed.service import ACCOUNT_ID, TOKEN, Service
from benchmarks.speed.subjects.base import AAsk, Ask, AStream, Person, Stream, Subject, weather
from benchmarks.speed.task import Task
from cf_llama.transport.http import clients
from langchain_cf_llama import ChatCloudflareLlama

_TEXT = "Hello there, how are you?"
_CALL = {"name": "Person", "args": {"name": "Ada", "age": 36, "cities": ["London", "Turin"]}, "id": "call-0"}


class LangChainSubject(Subject):
    """Any chat model of LangChain."""

    def model(self, task: Task) -> BaseChatModel:
        """Make the model."""
        raise NotImplementedError

    def asks(self, task: Task) -> Ask:
        """Prepare a question whose answer comes whole."""
        asked, messages = self._pending(task), convert_to_messages(task.messages)
        return lambda: asked.invoke(messages)

    def aasks(self, task: Task) -> AAsk:
        """Prepare a question whose answer comes whole."""
        asked, messages = self._pending(task), convert_to_messages(task.messages)
        return lambda: asked.ainvoke(messages)

    def streams(self, task: Task) -> Stream:
        """Prepare a question whose answer comes in pieces."""
        asked, messages = self._pending(task), convert_to_messages(task.messages)
        return lambda: asked.stream(messages)

    def astreams(self, task: Task) -> AStream:
        """Prepare a question whose answer comes in pieces."""
        asked, messages = self._pending(task), convert_to_messages(task.messages)
        return lambda: asked.astream(messages)

    def _pending(self, task: Task) -> Any:
        model = self.model(task)
        if task.kind == "form":
            return model.with_structured_output(Person, method="function_calling")
        return model.bind_tools(_tools(task)) if task.tools else model


class NullLangChain(LangChainSubject):
    """What LangChain itself costs."""

    name = "null LangChain"

    def model(self, task: Task) -> BaseChatModel:
        """Make the model."""
        return Nobody(events=task.events, form=task.kind == "form")


class OurLangChain(LangChainSubject):
    """Ours for LangChain."""

    name = "ours, LangChain"

    def model(self, task: Task) -> BaseChatModel:
        """Make the model."""
        del task
        return our_chat_model(self.service)

    def close(self) -> None:
        """Close the connections."""
        clients.close()


def our_chat_model(service: Service) -> ChatCloudflareLlama:
    """Our chat model before the server."""
    return ChatCloudflareLlama(base_url=service.base_url, account_id=ACCOUNT_ID, api_token=TOKEN)


class Nobody(BaseChatModel):
    """Says what it always says."""

    events: int
    form: bool = False

    @property
    def _llm_type(self) -> str:
        return "nobody"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """The same, as none is ever called."""
        del tools, kwargs
        return self.bind()

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        del messages
        said = AIMessage(content="", tool_calls=[_CALL]) if self.form else AIMessage(content=_TEXT)
        return ChatResult(generations=[ChatGeneration(message=said)])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        del messages
        for number in range(self.events):  # a text of its own each, as from a service
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"w{number:03} "))

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


def _tools(task: Task) -> list[StructuredTool]:
    return [StructuredTool.from_function(weather, name=f"tool_{number}") for number in range(task.tools)]
