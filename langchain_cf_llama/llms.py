"""Llama 3.3 70B as LangChain's text model: prompts in, text out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import ContextThreadPoolExecutor
from pydantic import ConfigDict

from cf_llama.config.credentials import wrap_secrets
from cf_llama.config.settings import Settings
from cf_llama.protocol import chat_template
from cf_llama.protocol.reply import Delta, Reply
from cf_llama.transport.prepare import PreparedCall
from langchain_cf_llama.base import CloudflareModel, RedactedBinding
from langchain_cf_llama.errors import langchain_errors
from langchain_cf_llama.messages import to_wire
from langchain_cf_llama.prepare import prepare
from langchain_cf_llama.responses import llm_output, metadata, sum_llm_outputs

if TYPE_CHECKING:
    from langchain_cf_llama.options import LLMOptions

_BEGIN_OF_TEXT = "<|begin_of_text|>"
_MOST_THREADS = 32


class CloudflareLlamaLLM(CloudflareModel, BaseLLM):
    """Llama 3.3 70B on Cloudflare Workers AI as a text model: prompts in, text out.

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

    Of this class: `raw` says whether a prompt is in the model's own template already. Unset, it is where the prompt
    begins as the template does; messages are rendered in the template. From LangChain: `cache`, `callbacks`, `tags` and
    the others of `BaseLLM`.

    A whole answer or a stream; `ainvoke` and `astream` are the async versions:

    ```python
    from langchain_cf_llama import CloudflareLlamaLLM

    llm = CloudflareLlamaLLM(temperature=0.2)  # account and token from the environment
    print(llm.invoke("Once upon a time"))
    for text in llm.stream("Once upon a time", max_tokens=50):
        print(text, end="")
    ```

    Async:

    ```python
    import asyncio

    async def main():
        print(await llm.ainvoke("Once upon a time"))

    asyncio.run(main())
    ```

    Several prompts at once; with `return_exceptions`, each one fails by itself:

    ```python
    print(llm.batch(["Hi", "Hello"], return_exceptions=True))
    ```

    Usage and cost are in `generation_info`, and added up in `llm_output`:

    ```python
    result = llm.generate(["Hi"])
    print(result.llm_output["token_usage"], result.generations[0][0].generation_info["cost_usd"])
    ```

    Errors are the classes of `langchain_cf_llama.errors`, as of `ChatCloudflareLlama`. Tools, structured output and
    the batch queue are the chat model's.

    Without an account: `cf-llama serve` runs an emulator, and pytest has a fixture `cf_llama_emulator`.
    """

    model_config = CloudflareModel.model_config | ConfigDict(defer_build=False)  # else that of the last base

    raw: bool | None = None
    """Send prompts without the service's template; None does so for prompts that contain the whole template."""

    def bind(self, **kwargs: Any) -> Runnable[Any, Any]:
        """Bind options to every call; secrets among them are redacted."""
        return RedactedBinding(bound=self, kwargs=wrap_secrets(kwargs))

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[LLMOptions]) -> None: ...

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - a whole answer has no tokens to report
        **kwargs: Any,
    ) -> LLMResult:
        with langchain_errors():
            calls = [self._prepare(prompt, stop, kwargs) for prompt in prompts]
            replies = _in_threads(calls)
        return _result(replies)

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> LLMResult:
        with langchain_errors():
            calls = [self._prepare(prompt, stop, kwargs) for prompt in prompts]
            replies = await _in_tasks(calls)
        return _result(replies)

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        with langchain_errors():
            transport, request = self._prepare(prompt, stop, kwargs)
            with closing(transport.stream(request)) as deltas:
                for delta in deltas:
                    chunk = _chunk(delta)
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        with langchain_errors():
            transport, request = self._prepare(prompt, stop, kwargs)
            async with aclosing(transport.astream(request)) as deltas:
                async for delta in deltas:
                    chunk = _chunk(delta)
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    def batch(self, *args: Any, return_exceptions: bool = False, **kwargs: Any) -> list[str]:
        """Answer several prompts concurrently; with `return_exceptions`, each fails by itself."""
        one_by_one = Runnable.batch if return_exceptions else BaseLLM.batch
        return one_by_one(self, *args, return_exceptions=return_exceptions, **kwargs)

    async def abatch(self, *args: Any, return_exceptions: bool = False, **kwargs: Any) -> list[str]:
        """Answer several prompts concurrently; with `return_exceptions`, each fails by itself."""
        one_by_one = Runnable.abatch if return_exceptions else BaseLLM.abatch
        return await one_by_one(self, *args, return_exceptions=return_exceptions, **kwargs)

    def generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several prompts concurrently."""
        model, options = self._changed(kwargs)
        return super(CloudflareLlamaLLM, model).generate(prompts, *args, **options)

    async def agenerate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several prompts concurrently."""
        model, options = self._changed(kwargs)
        return await super(CloudflareLlamaLLM, model).agenerate(prompts, *args, **options)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        """Stream the answer to a prompt."""
        model, options = self._changed(kwargs)
        return super(CloudflareLlamaLLM, model).stream(*args, **options)

    def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[str]:
        """Stream the answer to a prompt."""
        model, options = self._changed(kwargs)
        return super(CloudflareLlamaLLM, model).astream(*args, **options)

    def _changed(self, options: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """This model with the settings among the options of a call, and the other options.

        LangChain's cache does not look at the options of a text model, and its traces show them as they are.
        """
        names = options.keys() & {*Settings.model_fields, "api_key"}
        with langchain_errors():
            call = self.for_call({name: options[name] for name in names})
        changed = {name: getattr(call, name) for name in Settings.model_fields} if names else {}
        if "raw" in options:
            changed["raw"] = options["raw"]
        rest = {name: value for name, value in options.items() if name not in {*names, "raw"}}
        return self.model_copy(update=changed) if changed else self, rest

    def _prepare(self, prompt: str, stop: list[str] | None, options: Mapping[str, Any]) -> PreparedCall:
        whole = prompt.startswith(_BEGIN_OF_TEXT)
        return prepare(self, stop, options, prompt=prompt, raw=(whole or None) if self.raw is None else self.raw)

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        """The prompt; messages in the model's own template rather than as `Human: ...`."""
        prompt = super()._convert_input(model_input)
        if not isinstance(prompt, ChatPromptValue):
            return prompt
        with langchain_errors():
            return StringPromptValue(text=chat_template.render(to_wire(prompt.messages)))

    @property
    def _llm_type(self) -> str:
        return "cloudflare-workers-ai"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return super()._identifying_params | {"raw": self.raw}


def _in_threads(calls: Sequence[PreparedCall]) -> list[Reply]:
    with ContextThreadPoolExecutor(max_workers=_MOST_THREADS) as threads:
        return list(threads.map(lambda call: call.transport.run(call.request), calls))


async def _in_tasks(calls: Sequence[PreparedCall]) -> list[Reply]:
    tasks = [asyncio.ensure_future(call.transport.arun(call.request)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:  # one failure fails them all: nothing goes on behind the caller's back
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _result(replies: Sequence[Reply]) -> LLMResult:
    return LLMResult(
        generations=[[Generation(text=reply.text, generation_info=metadata(reply))] for reply in replies],
        llm_output=sum_llm_outputs([llm_output(reply) for reply in replies]),
    )


def _chunk(delta: Delta) -> GenerationChunk:
    return GenerationChunk(text=delta.text, generation_info=metadata(delta.reply) if delta.reply else None)
