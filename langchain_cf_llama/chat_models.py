"""Llama 3.3 70B as LangChain's chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from cf_llama import model as facts
from cf_llama import tokens
from cf_llama.asking import Asking
from cf_llama.credentials import concealed
from cf_llama.request import ChatRequest
from langchain_cf_llama.asking import Tool, asking, definitions
from langchain_cf_llama.base import CloudflareModel, hidden
from langchain_cf_llama.errors import langchain_errors
from langchain_cf_llama.messages import to_wire
from langchain_cf_llama.queueing import Queueing
from langchain_cf_llama.replies import ChunkWriter, combined, llm_output, to_message

if TYPE_CHECKING:
    from langchain_cf_llama.bound import BoundModel
    from langchain_cf_llama.options import ChatModelOptions
    from langchain_cf_llama.queued import QueuedChat
    from langchain_cf_llama.structured import Method


class ChatCloudflareLlama(Queueing, CloudflareModel, BaseChatModel):
    """Llama 3.3 70B on Cloudflare Workers AI.

    All fields of `cf_llama.Settings` can be given here, and again for a single call: `llm.invoke(..., seed=7)`.
    Failures are the classes of `langchain_cf_llama.errors`. Token counts are exact with the extra `tokens` and
    estimates without (`cf_llama.tokens.is_exact`).

    Example:
        >>> llm = ChatCloudflareLlama(account_id="...", api_token="...")  # or from the environment
        >>> llm.invoke("Where does the name of Bergen come from?").content
    """

    model_config = CloudflareModel.model_config | ConfigDict(defer_build=False)  # else that of the last base

    streaming: bool = False
    """Whether `invoke` streams too; unset, it streams where a callback asks for it."""

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[ChatModelOptions]) -> None: ...

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - a whole answer has no tokens to report
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            transport, request = self._asking(messages, stop, kwargs)
            reply = transport.run(request)
        return ChatResult(generations=[ChatGeneration(message=to_message(reply))], llm_output=llm_output(reply))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            transport, request = self._asking(messages, stop, kwargs)
            reply = await transport.arun(request)
        return ChatResult(generations=[ChatGeneration(message=to_message(reply))], llm_output=llm_output(reply))

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        return combined(llm_outputs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            transport, request = self._asking(messages, stop, kwargs)
            writer = ChunkWriter(request.model)
            with closing(transport.stream(request)) as deltas:
                for delta in deltas:
                    chunk = writer.chunk(delta)
                    if run_manager:
                        run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with langchain_errors():
            transport, request = self._asking(messages, stop, kwargs)
            writer = ChunkWriter(request.model)
            async with aclosing(transport.astream(request)) as deltas:
                async for delta in deltas:
                    chunk = writer.chunk(delta)
                    if run_manager:
                        await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    def queued(self, **options: Any) -> QueuedChat:
        """This model as a step of a chain whose `batch` goes through the service's batch queue.

        Args:
            options: How batches are cut, sent and waited for: fields of `cf_llama.batch.BatchOptions`.

        Raises:
            ValueError: an option is unknown, or its value is not allowed.

        Example:
            >>> chain = prompt | llm.queued(max_items=100).with_structured_output(Review)
            >>> chain.batch(rows, return_exceptions=True)
        """
        from cf_llama.batch import BatchOptions  # noqa: PLC0415 - most programs never ask for it
        from langchain_cf_llama.queued import QueuedChat  # noqa: PLC0415 - as above

        return QueuedChat(self, self._asking, BatchOptions(**options))

    def _asking(self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> Asking:
        return asking(self, stop, options, messages=to_wire(messages))

    def bind(self, **kwargs: Any) -> BoundModel:  # type: ignore[override] # LangChain's own is private to it
        """This model with options for every call, through the queue as well."""
        from langchain_cf_llama.bound import BoundModel  # noqa: PLC0415 - not every program asks for it

        return BoundModel(bound=self, kwargs=concealed(kwargs))

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        strict: bool | None = None,  # noqa: ARG002 - the service knows no such thing; arguments are checked here anyway
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools to call.

        Args:
            tools: LangChain tools, functions, pydantic classes (v2 or v1), TypedDicts, or definitions in any form
                that LangChain reads.
            tool_choice: None or "auto"; "none"; "any" or "required"; True (the only tool there is); a tool's name; or
                OpenAI's `{"type": "function", "function": {"name": ...}}`. A forced call that does not come is asked
                for once more and then a `ToolChoiceError`.
            strict: Accepted for the sake of other models' callers.
            parallel_tool_calls: False keeps only the first call of an answer.
            kwargs: Anything else to bind, e.g. `response_format` or a setting.

        Raises:
            InvalidRequestError: a definition is malformed, or the choice names no tool that is offered.
        """
        with langchain_errors():
            offer = ChatRequest(
                messages=_NO_QUESTION,
                tools=definitions(tools),
                tool_choice=tool_choice,
            )
        bound = {
            "tools": list(offer.tools) or None,
            "tool_choice": offer.tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
        }
        return self.bind(**{name: value for name, value in bound.items() if value is not None}, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "function_calling",
        include_raw: bool = False,
        strict: bool | None = None,  # noqa: ARG002 - every answer is checked against the schema
        output_retries: int = 1,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model answering in the form of a schema; see `structured.structure`."""
        from langchain_cf_llama.forms import Form  # noqa: PLC0415 - not every program asks for it
        from langchain_cf_llama.structured import structure  # noqa: PLC0415 - as above

        options = {"include_raw": include_raw, "output_retries": output_retries, **kwargs}
        return Form(structure(self, schema, method, **options))

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Tool] | None = None) -> int:
        """Tokens of a whole prompt: messages, calls in them, tools, and what the template adds."""
        with langchain_errors():
            return tokens.count_messages(to_wire(messages), definitions(tools or ()))

    @property
    def _llm_type(self) -> str:
        return "cloudflare-workers-ai-chat"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self._traced(super()._get_ls_params(stop=stop, **kwargs))

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop, **hidden(kwargs))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return super()._get_llm_string(stop=stop, **hidden(kwargs))

    def _resolve_model_profile(self) -> ModelProfile | None:
        return _profile(self.max_tokens) if self.model == facts.MODEL else None


for _method in (ChatCloudflareLlama._generate, ChatCloudflareLlama._agenerate):  # noqa: SLF001 - of the class above
    _method.__signature__ = signature(_method)  # type: ignore[union-attr] # LangChain works it out for each call

_NO_QUESTION = ({"role": "user", "content": ""},)


def _profile(max_tokens: int) -> ModelProfile:
    """What works, and works in one request: the longest answer is taken off the window that it shares with the input.

    JSON mode does not go together with tools (`cf_llama.call`), and calls come whole (`tool_call_streaming`).
    """
    return ModelProfile(
        max_input_tokens=facts.CONTEXT_WINDOW - max_tokens,
        max_output_tokens=max_tokens,
        text_inputs=True,
        text_outputs=True,
        image_inputs=False,
        image_url_inputs=False,
        image_outputs=False,
        image_tool_message=False,
        pdf_inputs=False,
        pdf_tool_message=False,
        audio_inputs=False,
        audio_outputs=False,
        video_inputs=False,
        video_outputs=False,
        reasoning_output=False,
        tool_calling=True,
        tool_choice=True,
        tool_call_streaming=False,
        structured_output=False,
        temperature=True,
    )
