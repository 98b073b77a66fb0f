"""Llama 3.3 70B as LangChain's chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, model_validator

from cf_llama import model as facts
from cf_llama import tokens
from cf_llama.request import ChatRequest
from cf_llama.settings import Settings
from cf_llama.version import __version__
from langchain_cf_llama.asking import Asking, asking
from langchain_cf_llama.errors import langchain_errors
from langchain_cf_llama.messages import to_wire
from langchain_cf_llama.replies import ChunkWriter, to_message
from langchain_cf_llama.structured import Method, structured_output

Tool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool


class ChatCloudflareLlama(Settings, BaseChatModel):
    """Llama 3.3 70B on Cloudflare Workers AI.

    All fields of `cf_llama.Settings` can be given here, and again for a single call: `llm.invoke(..., seed=7)`.
    Failures are the classes of `langchain_cf_llama.errors`. Token counts are exact with the extra `tokens` and
    estimates without (`cf_llama.tokens.is_exact`).

    Example:
        >>> llm = ChatCloudflareLlama(account_id="...", api_token="...")  # or from the environment
        >>> llm.invoke("Where does the name of Bergen come from?").content
    """

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # a rejected value may be a token in the wrong place
    )

    streaming: bool = False
    """Whether `invoke` streams too; unset, it streams where a callback asks for it."""

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
        return ChatResult(generations=[ChatGeneration(message=to_message(reply))])

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
        return ChatResult(generations=[ChatGeneration(message=to_message(reply))])

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

    def _asking(self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> Asking:
        return asking(self, stop, options, messages=to_wire(messages))

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
                tools=[convert_to_openai_tool(tool) for tool in tools],
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
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model answering in the form of a schema; see `structured.structured_output`."""
        return structured_output(self, schema, method, include_raw=include_raw, **kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        """Token ids of Llama 3.

        Raises:
            ImportError: the extra `tokens` is not installed.
        """
        return self.custom_get_token_ids(text) if self.custom_get_token_ids else tokens.encode(text)

    def get_num_tokens(self, text: str) -> int:
        """Tokens of a text: exact with the extra `tokens`, an estimate without."""
        return len(self.get_token_ids(text)) if self.custom_get_token_ids else tokens.count_text(text)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Tool] | None = None) -> int:
        """Tokens of a whole prompt: messages, calls in them, tools, and what the template adds."""
        with langchain_errors():
            definitions = [convert_to_openai_tool(tool) for tool in tools or ()]
            return tokens.count_messages(to_wire(messages), definitions)

    @property
    def _llm_type(self) -> str:
        return "cloudflare-workers-ai-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.request_fields() | {"stop": list(self.stop)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or list(self.stop), **kwargs)
        params["ls_provider"] = facts.PROVIDER
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return _profile(self.max_tokens) if self.model == facts.MODEL else None

    @model_validator(mode="after")
    def _set_cf_llama_version(self) -> Self:
        self._add_version("cf-llama", __version__)
        return self

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `dumps` writes this model so that `loads` can read it."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are dumped as references to the environment."""
        return {"account_id": "CLOUDFLARE_ACCOUNT_ID", "api_token": "CLOUDFLARE_API_TOKEN"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields in a form that is JSON."""
        return {"timeout": vars(self.timeout), "stop": list(self.stop)}


_NO_QUESTION = ({"role": "user", "content": ""},)


def _profile(max_tokens: int) -> ModelProfile:
    """What works, and works in one request: the longest answer is taken off the window that it shares with the input.

    JSON mode does not go together with tools (`structured_output`), and calls come whole (`tool_call_streaming`).
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
