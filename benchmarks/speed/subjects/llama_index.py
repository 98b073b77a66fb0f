"""Models of LlamaIndex: what they have in common, the one that talks to nobody, and ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import BaseTool, FunctionTool
from pydantic import Field

from benchmarks.speed.service import ACCOUNT_ID, TOKEN
from benchmarks.speed.subjects.base import AAsk, Ask, AStream, Person, Stream, Subject, weather
from benchmarks.speed.task import Task
from cf_llama.transport.http import clients
from llama_index_cf_llama import CloudflareLlama

_SAID = ChatMessage(role="assistant", content="Hello there, how are you?")
_CALL = {"name": "Ada", "age": 36, "cities": ["London", "Turin"]}


class LlamaIndexSubject(Subject):
    """Any function calling model of LlamaIndex."""

    def model(self, task: Task) -> FunctionCallingLLM:
        """Make the model."""
        raise NotImplementedError

    def asks(self, task: Task) -> Ask:
        """Prepare a question whose answer comes whole."""
        model, messages, tools = self.model(task), _messages(task), _tools(task)
        if task.kind == "form":
            return lambda: model.structured_predict(Person, PromptTemplate(task.question))
        if not tools:
            return lambda: model.chat(messages)
        return lambda: _calls(
            task, model, model.chat_with_tools(tools, chat_history=messages, allow_parallel_tool_calls=True)
        )

    def aasks(self, task: Task) -> AAsk:
        """Prepare a question whose answer comes whole."""
        model, messages, tools = self.model(task), _messages(task), _tools(task)
        if task.kind == "form":
            return lambda: model.astructured_predict(Person, PromptTemplate(task.question))
        if not tools:
            return lambda: model.achat(messages)

        async def ask() -> Any:
            answer = await model.achat_with_tools(tools, chat_history=messages, allow_parallel_tool_calls=True)
            return _calls(task, model, answer)

        return ask

    def streams(self, task: Task) -> Stream:
        """Prepare a question whose answer comes in pieces."""
        model, messages, tools = self.model(task), _messages(task), _tools(task)
        if tools:
            return lambda: model.stream_chat_with_tools(tools, chat_history=messages)
        return lambda: model.stream_chat(messages)

    def astreams(self, task: Task) -> AStream:
        """Prepare a question whose answer comes in pieces."""
        model, messages, tools = self.model(task), _messages(task), _tools(task)

        async def ask() -> AsyncIterator[Any]:
            asked = (
                model.astream_chat_with_tools(tools, chat_history=messages) if tools else model.astream_chat(messages)
            )
            async for answer in await asked:
                yield answer

        return ask


class NullLlamaIndex(LlamaIndexSubject):
    """What LlamaIndex itself costs."""

    name = "null LlamaIndex"

    def model(self, task: Task) -> FunctionCallingLLM:
        """Make the model."""
        return Nobody(events=task.events)


class OurLlamaIndex(LlamaIndexSubject):
    """Ours for LlamaIndex."""

    name = "ours, LlamaIndex"

    def model(self, task: Task) -> FunctionCallingLLM:
        """Make the model."""
        del task
        return CloudflareLlama(base_url=self.service.base_url, account_id=ACCOUNT_ID, api_token=TOKEN)

    def close(self) -> None:
        """Close the connections."""
        clients.close()


class Nobody(FunctionCallingLLM):
    """Says what it always says."""

    events: int = Field(default=1)

    @property
    def metadata(self) -> LLMMetadata:
        """It chats, and calls functions."""
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        """Answer."""
        del messages
        return ChatResponse(message=_SAID.model_copy())

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        """Answer."""
        del messages
        return ChatResponse(message=_SAID.model_copy())

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> Any:
        """Answer in pieces."""
        del messages
        return (_grown("word " * number) for number in range(1, self.events + 1))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> Any:
        """Answer in pieces."""
        del messages

        async def pieces() -> AsyncIterator[ChatResponse]:
            for number in range(1, self.events + 1):
                yield _grown("word " * number)

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        """Nobody asks for this."""
        raise NotImplementedError

    acomplete: ClassVar[Any] = complete
    stream_complete: ClassVar[Any] = complete
    astream_complete: ClassVar[Any] = complete

    def get_tool_calls_from_response(self, response: ChatResponse, **_: Any) -> list[ToolSelection]:  # type: ignore[override] # no other option is used
        """The form is always filled in."""
        del response
        return [ToolSelection(tool_id="call-0", tool_name="Person", tool_kwargs=_CALL)]

    def _prepare_chat_with_tools(  # type: ignore[override] # no other option is used
        self, tools: Sequence[BaseTool], chat_history: list[ChatMessage] | None = None, **_: Any
    ) -> dict[str, Any]:
        return {"messages": chat_history or [], "tools": [tool.metadata.to_openai_tool() for tool in tools]}


def _grown(text: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role="assistant", content=text), delta="word ")


def _messages(task: Task) -> list[ChatMessage]:
    return [ChatMessage(role=message["role"], content=message["content"]) for message in task.messages]


def _tools(task: Task) -> list[BaseTool]:
    make: Callable[..., BaseTool] = FunctionTool.from_defaults
    return [make(weather, name=f"tool_{number}") for number in range(task.tools)]


def _calls(task: Task, model: FunctionCallingLLM, answer: ChatResponse) -> Any:
    return model.get_tool_calls_from_response(answer) if task.kind == "calls" else answer
