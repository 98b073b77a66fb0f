"""`CloudflareLlama`: the model as a `FunctionCallingLLM`.

The decorated methods are LlamaIndex's; each makes one request and reports one event. Sync and async stand side by side
and differ only in `async`: what is asked is decided by `_prepare`, what an answer becomes by `responses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast

from llama_index.core.base.llms.generic_utils import (
    astream_chat_response_to_completion_response,
    chat_response_to_completion_response,
    stream_chat_response_to_completion_response,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import MessagesToPromptCallable, ToolSelection, default_completion_to_prompt
from llama_index.core.tools import BaseTool
from pydantic import ConfigDict, Field, field_serializer, field_validator

from cf_llama import CONTEXT_WINDOW, InvalidRequestError, Settings
from cf_llama.config.credentials import SECRETS, wrap_secrets
from cf_llama.protocol import model as facts
from cf_llama.transport.limits.registry import limits_of
from cf_llama.transport.limits.snapshot import Limits
from cf_llama.transport.prepare import PreparedCall, prepare
from llama_index_cf_llama.batch import QueueMethods
from llama_index_cf_llama.errors import llama_index_errors
from llama_index_cf_llama.messages import to_wire
from llama_index_cf_llama.privacy import redact_spans
from llama_index_cf_llama.prompts import completion_to_prompt, messages_to_prompt
from llama_index_cf_llama.responses import ResponseAccumulator, chat_response, tool_selections
from llama_index_cf_llama.structured_output import StructuredOutput
from llama_index_cf_llama.tools import definition

if TYPE_CHECKING:
    from llama_index_cf_llama.options import ModelOptions

USER_AGENT = "llama_index_cf_llama"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _chat_event(method: _Method) -> _Method:
    """LlamaIndex's decorator for callbacks, events and the rate limiter, typed as the method."""
    return cast("_Method", llm_chat_callback()(method))


def _completion_event(method: _Method) -> _Method:
    return cast("_Method", llm_completion_callback()(method))


@redact_spans
class CloudflareLlama(Settings, StructuredOutput, QueueMethods, FunctionCallingLLM):
    """Llama 3.3 70B on Cloudflare Workers AI as an LLM of LlamaIndex: a `FunctionCallingLLM`.

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

    Of this class: `complete_as` ("chat" or "prompt": what `complete` sends; if unset, a prompt with `raw` or `lora`,
    else a chat) and `additional_kwargs` (sent with every call; they override settings, and a call's own override them).
    A call also accepts `tools`, `tool_choice`, `parallel_tool_calls`, `functions`, `response_format`, `raw` and
    `extra_headers`. From LlamaIndex: `system_prompt`, `callback_manager`, `output_parser` and the others of `LLM`.

    A whole answer or a stream; `achat`, `astream_chat` and so on are the async versions:

    ```python
    from llama_index.core.llms import ChatMessage
    from llama_index_cf_llama import CloudflareLlama

    llm = CloudflareLlama(temperature=0.2)  # account and token from the environment
    print(llm.complete("Name three uses of a paper clip.", seed=7))
    for response in llm.stream_chat([ChatMessage(content="Tell me a story.")]):
        print(response.delta, end="")
    ```

    Many concurrent calls:

    ```python
    import asyncio

    async def main():
        conversations = [[ChatMessage(content=f"Translate to French: {word}")] for word in ("rain", "sun")]
        print(await asyncio.gather(*(llm.achat(messages) for messages in conversations)))
        async for response in await llm.astream_chat(conversations[0]):
            print(response.delta, end="")

    asyncio.run(main())
    ```

    Tools and agents:

    ```python
    from llama_index.core.tools import FunctionTool

    def order_status(order_id: str) -> str:
        '''Look up where an order is.'''
        return "left Rotterdam this morning"

    tool = FunctionTool.from_defaults(order_status)
    response = llm.chat_with_tools([tool], "Where is order 1042?")
    print(llm.get_tool_calls_from_response(response, error_on_no_tool_call=False))
    ```

    Structured output, also as `llm.as_structured_llm(Review)`:

    ```python
    from llama_index.core import PromptTemplate
    from pydantic import BaseModel

    class Review(BaseModel):
        '''What a customer thinks.'''

        stars: int

    print(llm.structured_predict(Review, PromptTemplate("{text}"), text="I give it 4 stars"))
    ```

    Query engines, chat engines and extractors accept it as `llm=` or from `Settings.llm`:

    ```python
    from llama_index.core import Document, SummaryIndex

    index = SummaryIndex.from_documents([Document(text="Everyone has 27 days of leave.")])
    print(index.as_query_engine(llm=llm).query("How many days of leave are there?"))
    ```

    Usage and cost are in `raw`; `usage` has the token counts that `TokenCountingHandler` reads:

    ```python
    print(llm.complete("Hi").raw["usage"])
    ```

    Every method raises a `cf_llama.WorkersAIError` when the call fails, with `status`, `code`, `ray_id`,
    `is_retryable`, `retry_after` and, for streams, `partial`:

    ```python
    from cf_llama import RateLimitError

    try:
        llm.complete("Hi", timeout=30)
    except RateLimitError as error:
        print(error.retry_after)
    ```

    Many requests through the service's batch queue; `llm.queued()` is a copy of the model that sends every request
    through it:

    ```python
    conversations = [[ChatMessage(content="Hi")], [ChatMessage(content="Hello")]]
    print(llm.batch_queue(conversations, queue={"first_poll": 0.1}))
    ```

    Without an account: `cf-llama serve` runs an emulator, pytest has a fixture `cf_llama_emulator`, and a test can
    script the answers:

    ```python
    from cf_llama_emulator.testing import ScriptedEmulator

    with ScriptedEmulator() as emulator:
        emulator.say("Hello from a script")
        scripted = CloudflareLlama(
            base_url=emulator.base_url, account_id=emulator.account_id, api_token=emulator.api_token
        )
        assert str(scripted.complete("Hi")) == "Hello from a script"
    ```
    """

    model_config = ConfigDict(defer_build=False)

    complete_as: Literal["chat", "prompt"] | None = Field(
        default=None,
        description="What `complete` sends: a user message, or a prompt, which the service wraps in a template of its "
        "own unless `raw` is set. Not set: a prompt where `raw` or `lora` is, which the model's page has only beside "
        "prompts; else a user message.",
    )
    messages_to_prompt: MessagesToPromptCallable = Field(default=messages_to_prompt, exclude=True)
    additional_kwargs: dict[str, Any] = Field(default_factory=dict, description="Sent with every call.")

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[ModelOptions]) -> None: ...

    @field_validator("additional_kwargs")
    @classmethod
    def _wrap_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return wrap_secrets(value)

    @field_serializer("additional_kwargs")
    def _serialize(self, value: dict[str, Any]) -> dict[str, Any]:
        return {name: option for name, option in value.items() if name not in SECRETS}

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex serializes."""
        return "CloudflareLlama"

    @property
    def metadata(self) -> LLMMetadata:
        """Metadata; the context window includes the answer of up to `max_tokens`."""
        return LLMMetadata(
            context_window=CONTEXT_WINDOW,
            num_output=self.max_tokens,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model,
        )

    def to_payload(self) -> dict[str, Any]:
        """What events contain: metadata and settings, under the names that tracers look for."""
        settings = {name: getattr(self, name) for name in facts.RANGES}
        parameters = {name: value for name, value in settings.items() if value is not None}
        return super().to_payload() | {"model": self.model} | parameters

    def limits(self) -> Limits | None:
        """Return what this process knows of the account's limits as plain data; None if `rate_limit` is False."""
        return limits_of(self.connection(), self.model)

    @_chat_event
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation."""
        return self._run(self._conversation(messages, kwargs))

    @_chat_event
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation."""
        return await self._arun(self._conversation(messages, kwargs))

    @_chat_event
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Stream the answer to a conversation; each response's message holds the answer so far."""
        return self._stream(self._conversation(messages, kwargs))

    @_chat_event
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Stream the answer to a conversation; each response's message holds the answer so far."""
        return self._astream(self._conversation(messages, kwargs))

    @_completion_event
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete a prompt. Unless it is `formatted`, `completion_to_prompt` is applied where it goes as a prompt.

        By default the service applies its template; with `raw`, that of Llama 3.3 is applied here.
        """
        return chat_response_to_completion_response(self._run(self._completion(prompt, formatted, kwargs)))

    @_completion_event
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete a prompt; see `complete`."""
        return chat_response_to_completion_response(await self._arun(self._completion(prompt, formatted, kwargs)))

    @_completion_event
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Stream a completion, see `complete`; each response's text is the completion so far."""
        return stream_chat_response_to_completion_response(self._stream(self._completion(prompt, formatted, kwargs)))

    @_completion_event
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Stream a completion, see `complete`; each response's text is the completion so far."""
        return astream_chat_response_to_completion_response(self._astream(self._completion(prompt, formatted, kwargs)))

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_: Any
    ) -> list[ToolSelection]:
        """The tool calls of a response or of a part of a streamed one.

        Raises:
            ValueError: there are none, and `error_on_no_tool_call` is set. (This is LlamaIndex's convention.)
        """
        calls = tool_selections(response.message)
        if error_on_no_tool_call and not calls:
            raise ValueError(f"Expected at least one tool call, but got {len(calls)} tool calls.")
        return calls

    def _prepare_chat_with_tools(  # noqa: PLR0917 - LlamaIndex's own signature
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - LlamaIndex passes it to every model; there is nothing to print
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | bool | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of `chat` for LlamaIndex's `chat_with_tools` and its siblings."""
        last = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
        offer = {
            "tools": [definition(tool) for tool in tools],
            "tool_choice": tool_choice or ("required" if tool_required else None),
            "parallel_tool_calls": allow_parallel_tool_calls,
        }
        messages = [*(chat_history or ()), *([last] if last else ())]
        return {"messages": messages, **(offer if tools else {}), **kwargs}

    def _conversation(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> PreparedCall:
        return self._prepare(self._merged_options(kwargs), messages=to_wire(messages))

    def _completion(self, prompt: str, formatted: bool, kwargs: Mapping[str, Any]) -> PreparedCall:
        options = self._merged_options(kwargs)
        form = options.pop("complete_as", self.complete_as)
        if form is None:
            form = "prompt" if options.get("raw") or options.get("lora", self.lora) else "chat"
        if form not in {"chat", "prompt"}:
            raise InvalidRequestError(f"complete_as must be chat or prompt, not {form!r}")
        if form == "chat":
            return self._prepare(options, messages=[{"role": "user", "content": prompt}])
        if not formatted:
            prompt = self._template(raw=bool(options.get("raw")))(prompt)
        return self._prepare(options, prompt=prompt)

    def _template(self, *, raw: bool) -> Callable[[str], str]:
        """The user's template, else that of Llama 3.3 if the service does not apply it."""
        if self.completion_to_prompt not in (None, default_completion_to_prompt):
            return cast("Callable[[str], str]", self.completion_to_prompt)
        return completion_to_prompt if raw else default_completion_to_prompt

    def _merged_options(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**self.additional_kwargs, **kwargs}.items() if value is not None}

    def _prepare(self, options: Mapping[str, Any], **request: Any) -> PreparedCall:
        return prepare(self, options, USER_AGENT, **request)

    def _run(self, call: PreparedCall) -> ChatResponse:
        with llama_index_errors():
            return chat_response(self._queue.run(call) if self._queue else call.transport.run(call.request))

    async def _arun(self, call: PreparedCall) -> ChatResponse:
        with llama_index_errors():
            return chat_response(await (self._queue.arun(call) if self._queue else call.transport.arun(call.request)))

    def _stream(self, call: PreparedCall) -> ChatResponseGen:
        with llama_index_errors():
            answer = ResponseAccumulator()
            deltas = self._queue.stream(call) if self._queue else call.transport.stream(call.request)
            with closing(deltas):
                for delta in deltas:
                    yield answer.add(delta)
                    del delta  # else it would stand beside the error of the next

    async def _astream(self, call: PreparedCall) -> ChatResponseAsyncGen:
        with llama_index_errors():
            answer = ResponseAccumulator()
            deltas = self._queue.astream(call) if self._queue else call.transport.astream(call.request)
            async with aclosing(deltas):
                async for delta in deltas:
                    yield answer.add(delta)
                    del delta  # else it would stand beside the error of the next
