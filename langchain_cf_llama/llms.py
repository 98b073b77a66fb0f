"""Llama 3.3 70B as LangChain's text model: prompts in, text out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor
from pydantic import ConfigDict

from cf_llama import template
from cf_llama.asking import Asking
from cf_llama.credentials import concealed
from cf_llama.reply import Delta, Reply
from cf_llama.settings import Settings
from langchain_cf_llama.asking import asking
from langchain_cf_llama.base import CloudflareModel, Concealing
from langchain_cf_llama.errors import langchain_errors
from langchain_cf_llama.messages import to_wire
from langchain_cf_llama.replies import combined, llm_output, metadata

if TYPE_CHECKING:
    from langchain_cf_llama.options import LLMOptions

_BEGIN_OF_TEXT = "<|begin_of_text|>"
_MOST_THREADS = 32


class Bound(Concealing, RunnableBinding[Any, Any]):  # type: ignore[no-redef] # LangChain's too
    """The text model with options bound to it."""


class CloudflareLlamaLLM(CloudflareModel, BaseLLM):
    """Llama 3.3 70B on Cloudflare Workers AI, for plain prompts, raw prompts and LoRA fine-tunes.

    Messages are rendered with the template of Llama 3.3 and sent raw. Several prompts are asked at the same time.

    Example:
        >>> llm = CloudflareLlamaLLM(lora="my-fine-tune")
        >>> llm.invoke("Once upon a time")
    """

    model_config = CloudflareModel.model_config | ConfigDict(defer_build=False)  # else that of the last base

    raw: bool | None = None
    """Send prompts without the service's own template; None does so for those that bring the whole template."""

    def bind(self, **kwargs: Any) -> Runnable[Any, Any]:
        """This model with options for every call; secrets among them are not shown."""
        return Bound(bound=self, kwargs=concealed(kwargs))

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
            askings = [self._asking(prompt, stop, kwargs) for prompt in prompts]
            replies = _in_threads(askings)
        return _result(replies)

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> LLMResult:
        with langchain_errors():
            askings = [self._asking(prompt, stop, kwargs) for prompt in prompts]
            replies = await _in_tasks(askings)
        return _result(replies)

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        with langchain_errors():
            transport, request = self._asking(prompt, stop, kwargs)
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
            transport, request = self._asking(prompt, stop, kwargs)
            async with aclosing(transport.astream(request)) as deltas:
                async for delta in deltas:
                    chunk = _chunk(delta)
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                    del delta, chunk  # else they would stand beside the error of the next

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[str]:
        """Answer several prompts at the same time; with `return_exceptions`, each fails or is answered by itself."""
        one_by_one = Runnable.batch if return_exceptions else BaseLLM.batch
        return one_by_one(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[str]:
        """Answer several prompts at the same time; with `return_exceptions`, each fails or is answered by itself."""
        one_by_one = Runnable.abatch if return_exceptions else BaseLLM.abatch
        return await one_by_one(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several prompts at the same time."""
        model, options = self._changed(kwargs)
        return super(CloudflareLlamaLLM, model).generate(prompts, *args, **options)

    async def agenerate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several prompts at the same time."""
        model, options = self._changed(kwargs)
        return await super(CloudflareLlamaLLM, model).agenerate(prompts, *args, **options)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        """Answer a prompt piece by piece."""
        model, options = self._changed(kwargs)
        return super(CloudflareLlamaLLM, model).stream(*args, **options)

    def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[str]:
        """Answer a prompt piece by piece."""
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

    def _asking(self, prompt: str, stop: list[str] | None, options: Mapping[str, Any]) -> Asking:
        whole = prompt.startswith(_BEGIN_OF_TEXT)
        return asking(self, stop, options, prompt=prompt, raw=(whole or None) if self.raw is None else self.raw)

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        """The prompt; messages in the model's own template rather than as `Human: ...`."""
        prompt = super()._convert_input(model_input)
        if not isinstance(prompt, ChatPromptValue):
            return prompt
        with langchain_errors():
            return StringPromptValue(text=template.render(to_wire(prompt.messages)))

    @property
    def _llm_type(self) -> str:
        return "cloudflare-workers-ai"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return super()._identifying_params | {"raw": self.raw}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self._traced(super()._get_ls_params(stop=stop, **kwargs))


def _in_threads(askings: Sequence[Asking]) -> list[Reply]:
    with ContextThreadPoolExecutor(max_workers=_MOST_THREADS) as threads:
        return list(threads.map(lambda asked: asked.transport.run(asked.request), askings))


async def _in_tasks(askings: Sequence[Asking]) -> list[Reply]:
    tasks = [asyncio.ensure_future(asked.transport.arun(asked.request)) for asked in askings]
    try:
        return await asyncio.gather(*tasks)
    finally:  # one failure fails them all: nothing goes on behind the caller's back
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _result(replies: Sequence[Reply]) -> LLMResult:
    return LLMResult(
        generations=[[Generation(text=reply.text, generation_info=metadata(reply))] for reply in replies],
        llm_output=combined([llm_output(reply) for reply in replies]),
    )


def _chunk(delta: Delta) -> GenerationChunk:
    return GenerationChunk(text=delta.text, generation_info=metadata(delta.reply) if delta.reply else None)
