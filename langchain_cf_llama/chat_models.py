"""Llama 3.3 70B as LangChain's chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from cf_llama.config.credentials import wrap_secrets
from cf_llama.protocol import model as facts
from cf_llama.protocol import tokens
from cf_llama.protocol.reply import Reply
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.prepare import PreparedCall
from langchain_cf_llama.base import CloudflareModel, redacted
from langchain_cf_llama.chat_methods import BoundChatModel, ChatRunnable, QueueMethods, StructuredOutputMethods
from langchain_cf_llama.errors import langchain_errors
from langchain_cf_llama.messages import to_wire
from langchain_cf_llama.prepare import Tool, definitions, prepare
from langchain_cf_llama.responses import ChunkWriter, generation, llm_output, sum_llm_outputs, to_message

if TYPE_CHECKING:
    from langchain_cf_llama.batch.queued_model import QueuedChat
    from langchain_cf_llama.options import ChatModelOptions
else:
    QueuedChat = Runnable  # LangChain's fallbacks read the types of methods


class ChatCloudflareLlama(QueueMethods, StructuredOutputMethods, CloudflareModel, BaseChatModel):
    """Llama 3.3 70B on Cloudflare Workers AI as a chat model.

    Account: `account_id` (CLOUDFLARE_ACCOUNT_ID), `api_token` or `api_key` (CLOUDFLARE_API_TOKEN; a string, or a
    function that returns it for each call), `base_url` (CLOUDFLARE_BASE_URL; ends in /client/v4),
    `allow_insecure_base_url` (False). The token appears in no repr, dump or trace, and is sent over https or to
    localhost only.

    Generation: `model` (the only supported one), `max_tokens` (2048; the service's own 256 cuts answers),
    `temperature` (0 to 5, service default 0.6), `top_p` (0.001 to 1), `top_k` (1 to 50), `seed` (from 1),
    `repetition_penalty` (0 to 2), `frequency_penalty` and `presence_penalty` (-2 to 2), `stop` (a string or several),
    `lora` (a fine-tune).

    Transport: `timeout` (seconds, or `Timeouts(connect=10, read=130, stall=60, total=None)`), `max_retries` (2),
    `max_connections` (1,000), `rate_limit` (None; requests a minute or `RateLimit(requests, seconds)` if you know it,
    False to never wait), `rate_limit_wait` (None; the longest wait in seconds), `budget` (None; with `Budget(usd=1)`, a
    call that could cost more is not sent), `reject_if_busy` (False; fail at once instead of waiting for capacity),
    `session_id` (for the prefix cache), `gateway` (an AI Gateway's id, or `Gateway(...)`), `default_headers`,
    `extra_body` (fields of the body that have no setting), `http_client` and `http_async_client` (your own httpx or
    httpx2 clients; used as they are and never closed), `binding` (in a Worker, its `env.AI`: called instead of HTTP,
    without account and token, by asynchronous methods only).

    None means the default. Every setting can also be passed to a single call. Unknown names and values out of range
    raise an error before a request is sent.

    From LangChain: `streaming` (whether `invoke` streams too; if unset, it streams when a callback requires it),
    `stream_usage` (True), `include_response_headers` (False; they are in `response_metadata`), `cache`,
    `callbacks`, `rate_limiter`, `disable_streaming`, `tags`, `metadata` and the others of `BaseChatModel`.

    A whole answer or a stream; `ainvoke` and `astream` are the async versions:

    ```python
    from langchain_cf_llama import ChatCloudflareLlama

    llm = ChatCloudflareLlama(temperature=0.2)  # account and token from the environment
    print(llm.invoke("Name three uses of a paper clip.").text)
    print(llm.invoke([("system", "Be brief."), ("human", "Hi")], temperature=0, seed=7).text)
    for chunk in llm.stream("Tell me a story."):
        print(chunk.text, end="")
    ```

    Many concurrent calls:

    ```python
    import asyncio

    async def main():
        answers = await asyncio.gather(*(llm.ainvoke(f"Translate to French: {word}") for word in ("rain", "sun")))
        print([answer.text for answer in answers])
        async for chunk in llm.astream("Tell me a story."):
            print(chunk.text, end="")

    asyncio.run(main())
    ```

    Tools and agents; a missing forced call is requested once more, then `ToolChoiceError` is raised:

    ```python
    from langchain.agents import create_agent

    def order_status(order_id: str) -> str:
        '''Look up where an order is.'''
        return "left Rotterdam this morning"

    print(llm.bind_tools([order_status]).invoke("Where is order 1042?").tool_calls)
    print(create_agent(llm, [order_status]).invoke({"messages": "Where is order 1042?"})["messages"][-1].text)
    ```

    Structured output; see `with_structured_output`:

    ```python
    from pydantic import BaseModel

    class Review(BaseModel):
        '''What a customer thinks.'''

        stars: int

    print(llm.with_structured_output(Review).invoke("I give it 4 stars"))
    ```

    Usage and cost; `usage_metadata` is exact, and `response_metadata` has `neurons`, `cost_usd` at the published
    price, `finish_reason` ("length" where the answer hit `max_tokens`) and the ids that support asks for:

    ```python
    answer = llm.invoke("Hi")
    print(answer.usage_metadata["total_tokens"], answer.response_metadata["cost_usd"])
    ```

    Errors are the classes of `langchain_cf_llama.errors`: each is a `cf_llama.WorkersAIError` and one of LangChain's
    `ModelError`s, with `status`, `code`, `ray_id`, `is_retryable`, `retry_after` and, for streams, `partial`:

    ```python
    from langchain_cf_llama import errors

    try:
        llm.invoke("Hi", timeout=30)
    except errors.RateLimitError as error:
        print(error.retry_after)
    ```

    Many requests through the service's batch queue:

    ```python
    print([answer.text for answer in llm.batch_queue(["Hi", "Hello"], queue={"first_poll": 0.1})])
    ```

    Without an account: `cf-llama serve` runs an emulator, pytest has a fixture `cf_llama_emulator`, and a test can
    script the answers:

    ```python
    from cf_llama_emulator.testing import ScriptedEmulator

    with ScriptedEmulator() as emulator:
        emulator.say("Hello from a script")
        scripted = ChatCloudflareLlama(
            base_url=emulator.base_url, account_id=emulator.account_id, api_token=emulator.api_token
        )
        assert scripted.invoke("Hi").text == "Hello from a script"
        assert emulator.requests[0].body["messages"] == [{"role": "user", "content": "Hi"}]
    ```

    `init_chat_model` supports only the providers of its own list. To choose settings or a model for each call, use
    configurable fields and alternatives:

    ```python
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.runnables import ConfigurableField

    warmth = llm.configurable_fields(temperature=ConfigurableField(id="temperature"))
    print(warmth.invoke("Hi", config={"configurable": {"temperature": 1.5}}).text)

    other = FakeListChatModel(responses=["Hello"])  # of any provider
    choice = llm.configurable_alternatives(ConfigurableField(id="llm"), default_key="llama", other=other)
    print(choice.invoke("Hi", config={"configurable": {"llm": "other"}}).text)
    ```
    """

    model_config = CloudflareModel.model_config | ConfigDict(defer_build=False)  # else that of the last base

    streaming: bool = False
    """Whether `invoke` streams too; if unset, it streams when a callback requires it."""
    stream_usage: bool = True
    """Whether the last chunk of a stream has `usage_metadata`; also per call."""
    include_response_headers: bool = False
    """Whether `response_metadata` has the response `headers`."""

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
            transport, request = self._prepare(messages, stop, kwargs)
            reply = transport.run(request)
        return self._result(reply)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            transport, request = self._prepare(messages, stop, kwargs)
            reply = await transport.arun(request)
        return self._result(reply)

    def _result(self, reply: Reply) -> ChatResult:
        message = to_message(reply, headers=self.include_response_headers)
        return ChatResult(generations=[generation(message)], llm_output=llm_output(reply))

    def _chunk_writer(self, model: str, options: Mapping[str, Any]) -> ChunkWriter:
        usage = options.get("stream_usage")
        return ChunkWriter(
            model, usage=self.stream_usage if usage is None else usage, headers=self.include_response_headers
        )

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        return sum_llm_outputs(llm_outputs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            transport, request = self._prepare(messages, stop, kwargs)
            writer = self._chunk_writer(request.model, kwargs)
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
            transport, request = self._prepare(messages, stop, kwargs)
            writer = self._chunk_writer(request.model, kwargs)
            async with aclosing(transport.astream(request)) as deltas:
                async for delta in deltas:
                    chunk = writer.chunk(delta)
                    if run_manager:
                        await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    def queued(self, **options: Any) -> QueuedChat:
        """This model as a runnable whose `batch` uses the service's batch queue.

        Args:
            options: Fields of `cf_llama.batch.BatchOptions`: how batches are split, sent and polled.

        Raises:
            ValueError: an option is unknown or its value is not allowed.

        Examples:
            >>> chain = prompt | llm.queued(max_items=100).with_structured_output(Review)
            >>> chain.batch(rows, return_exceptions=True)
        """
        from cf_llama.batch import BatchOptions  # noqa: PLC0415 - most programs never ask for it
        from langchain_cf_llama.batch.queued_model import QueuedChat  # noqa: PLC0415 - as above

        return QueuedChat(self, self._prepare, BatchOptions(**options))

    def _prepare(self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> PreparedCall:
        return prepare(self, stop, options, messages=to_wire(messages))

    def bind(self, **kwargs: Any) -> BoundChatModel:  # type: ignore[override] # LangChain's own is private to it
        """Bind options to every call of this model, also through the queue."""
        return BoundChatModel(bound=self, kwargs=wrap_secrets(kwargs))

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        strict: bool | None = None,  # noqa: ARG002 - the service knows no such thing; arguments are checked here anyway
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> ChatRunnable:
        """Bind tools to this model.

        Args:
            tools: LangChain tools, functions, pydantic classes (v2 or v1), TypedDicts, or definitions in any form
                that LangChain reads.
            tool_choice: None or "auto"; "none"; "any" or "required"; True (the only tool there is); a tool's name; or
                OpenAI's `{"type": "function", "function": {"name": ...}}`. A missing forced call is requested once
                more, then `ToolChoiceError` is raised.
            strict: Accepted for compatibility with other models.
            parallel_tool_calls: False keeps only the first call of an answer.
            kwargs: Other options to bind, such as `response_format` or a setting.

        Returns:
            A runnable that returns an `AIMessage`. Its `tool_calls` have arguments of the declared types; calls that
            cannot be parsed are in `invalid_tool_calls`.

        Raises:
            InvalidRequestError: a definition is malformed, or the choice names none of the tools.

        Examples:
            >>> llm.bind_tools([order_status], tool_choice="any").invoke("Where is order 1042?").tool_calls
            [{'name': 'order_status', 'args': {'order_id': '1042'}, 'id': '...', 'type': 'tool_call'}]
        """
        with langchain_errors():
            offer = ChatRequest(messages=_ANY_MESSAGES, tools=definitions(tools), tool_choice=tool_choice)
        bound = {
            "tools": list(offer.tools) or None,
            "tool_choice": offer.tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
        }
        return self.bind(**{name: value for name, value in bound.items() if value is not None}, **kwargs)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Tool] | None = None) -> int:
        """Count the tokens of a prompt: messages, their tool calls, tools, and what the template adds."""
        with langchain_errors():
            return tokens.count_messages(to_wire(messages), definitions(tools or ()))

    @property
    def _llm_type(self) -> str:
        return "cloudflare-workers-ai-chat"

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop, **redacted(kwargs))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return super()._get_llm_string(stop=stop, **redacted(kwargs))

    def _resolve_model_profile(self) -> ModelProfile | None:
        return _profile(self.max_tokens) if self.model == facts.MODEL else None


for _method in (ChatCloudflareLlama._generate, ChatCloudflareLlama._agenerate):  # noqa: SLF001 - of the class above
    _method.__signature__ = signature(_method)  # type: ignore[union-attr] # LangChain works it out for each call

_ANY_MESSAGES = ({"role": "user", "content": ""},)
"""A request must have some; that of `bind_tools` is not sent."""


def _profile(max_tokens: int) -> ModelProfile:
    """What works, and works in one request: the longest answer is taken off the window that it shares with the input.

    JSON mode does not go together with tools (code 5023), and calls come whole (`tool_call_streaming`).
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
