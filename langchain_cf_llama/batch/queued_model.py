"""The chat model as a `Runnable` whose `batch` uses the batch queue of Workers AI."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list

from cf_llama.batch import Batch, BatchOptions, Item, Outcome
from cf_llama.config.credentials import wrap_secrets
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.prepare import PreparedCall
from cf_llama.transport.transport import Transport
from langchain_cf_llama.batch.callbacks import CallbackRuns, aend_run, end_run
from langchain_cf_llama.chat_methods import ChatBinding, ChatRunnable, Configs, Inputs, StructuredOutputMethods
from langchain_cf_llama.messages import messages_of
from langchain_cf_llama.prepare import Tool

PrepareCall = Callable[[list[BaseMessage], list[str] | None, Mapping[str, Any]], PreparedCall]


class QueuedChat(StructuredOutputMethods, Runnable[LanguageModelInput, AIMessage]):
    """A chat model whose `batch` uses the batch queue.

    Use it in a chain in place of the model, so that `batch` of the chain uses the queue:
    `(prompt | llm.queued() | parser).batch(inputs)`. A single `invoke` is a batch of one. `max_concurrency` in the
    first config limits the batches pending at a time. LangChain's cache and rate limiter do not apply.

    Args:
        llm: The model that callbacks see.
        prepare_call: Builds a request from messages, stop sequences and options.
        options: How batches are split, sent and polled.
    """

    def __init__(self, llm: BaseChatModel, prepare_call: PrepareCall, options: BatchOptions) -> None:
        self._llm = llm
        self._prepare_call = prepare_call
        self._options = options

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002 - LangChain's name
        """Send one input as a batch of one."""
        answer: AIMessage = self.batch([input], config, **kwargs)[0]
        return answer

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Send one input as a batch of one."""
        answer: AIMessage = (await self.abatch([input], config, **kwargs))[0]
        return answer

    def batch(
        self,
        inputs: Inputs,
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all inputs and return the messages in order, once all have ended.

        Args:
            inputs: Strings, prompts or lists of messages.
            config: One for all inputs, or one per input.
            return_exceptions: Return an error in place of its message; else the first is raised once all have ended.
            kwargs: Options of the model's `invoke`, such as `stop`, `tools` and `response_format`, and any setting.

        Raises:
            WorkersAIError: a request failed.
            ValueError: an input is not a prompt, or the number of configs differs from that of the inputs.
        """
        answers = self.batch_as_completed(inputs, config, return_exceptions=True, **kwargs)
        by_place = {place: answer for place, answer in answers}  # noqa: C416 - as in the async twin
        return _in_order(by_place, return_exceptions)

    async def abatch(
        self,
        inputs: Inputs,
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all inputs and return the messages in order; see `batch`."""
        answers = self.abatch_as_completed(inputs, config, return_exceptions=True, **kwargs)
        by_place = {place: answer async for place, answer in answers}
        return _in_order(by_place, return_exceptions)

    def batch_as_completed(
        self,
        inputs: Inputs,
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Generator[tuple[int, Any], None, None]:
        """Send all inputs and yield each message with its index as it arrives; see `batch`.

        Raising an error or closing this generator abandons the pending requests.
        """
        conversations = [messages_of(each) for each in inputs]
        configs = get_config_list(config, len(inputs))
        runs: dict[int, CallbackManagerForLLMRun] = {}
        callback_runs = CallbackRuns(self._llm, kwargs)
        try:
            for place, (messages, own) in enumerate(zip(conversations, configs, strict=True)):
                runs[place] = callback_runs.begin(messages, own)
            with closing(self._queue(conversations, configs, callback_runs).outcomes()) as outcomes:
                for result in outcomes:
                    run = runs.pop(place := int(result.reference))
                    end_run(run, answer := callback_runs.answer(result, run.run_id))
                    yield place, _or_raise(answer, return_exceptions)
        except BaseException as error:
            for run in runs.values():
                end_run(run, error)
            raise

    async def abatch_as_completed(
        self,
        inputs: Inputs,
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """Send all inputs and yield each message with its index as it arrives; see `batch_as_completed`."""
        conversations = [messages_of(each) for each in inputs]
        configs = get_config_list(config, len(inputs))
        runs: dict[int, AsyncCallbackManagerForLLMRun] = {}
        callback_runs = CallbackRuns(self._llm, kwargs)
        try:
            for place, (messages, own) in enumerate(zip(conversations, configs, strict=True)):
                runs[place] = await callback_runs.abegin(messages, own)
            async with aclosing(self._queue(conversations, configs, callback_runs).aoutcomes()) as outcomes:
                async for result in outcomes:
                    run = runs.pop(place := int(result.reference))
                    await aend_run(run, answer := callback_runs.answer(result, run.run_id))
                    yield place, _or_raise(answer, return_exceptions)
        except BaseException as error:
            for run in runs.values():
                await aend_run(run, error)
            raise

    def _queue(
        self, conversations: Sequence[list[BaseMessage]], configs: Sequence[RunnableConfig], runs: CallbackRuns
    ) -> _Queue:
        """The requests to send; one that cannot be built fails without failing the others."""
        most = configs[0].get("max_concurrency") if configs else None
        queue = _Queue(replace(self._options, max_waiting=most) if most else self._options)
        for place, messages in enumerate(conversations):
            try:
                queue.transport, request = self._prepare_call(messages, runs.stop, runs.options)
            except WorkersAIError as error:
                queue.refused.append(Outcome(reference=str(place), error=error))
            else:
                queue.items.append(Item(str(place), request))
        return queue

    def bind(self, **kwargs: Any) -> ChatRunnable:
        """Bind options, as to the model."""
        return ChatBinding(bound=self, kwargs=wrap_secrets(kwargs), config={})

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> ChatRunnable:
        """Bind tools; see `ChatCloudflareLlama.bind_tools`."""
        llm: Any = self._llm
        return self.bind(**llm.bind_tools(tools, **kwargs).kwargs)


@dataclass(slots=True)
class _Queue:
    """Requests for the batch queue; the reference of each is its index in the inputs."""

    options: BatchOptions
    items: list[Item] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    transport: Transport | None = None

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Yield the outcome of each request as it arrives."""
        for outcome in self.refused:
            yield outcome
        if self.transport:
            with closing(Batch(self.transport, self.options).as_completed(self.items)) as outcomes:
                for outcome in outcomes:
                    yield outcome

    async def aoutcomes(self) -> AsyncGenerator[Outcome, None]:
        """Yield the outcome of each request as it arrives."""
        for outcome in self.refused:
            yield outcome
        if self.transport:
            async with aclosing(Batch(self.transport, self.options).aas_completed(self.items)) as outcomes:
                async for outcome in outcomes:
                    yield outcome


def _or_raise(answer: AIMessage | Exception, return_exceptions: bool) -> AIMessage | Exception:
    if isinstance(answer, Exception) and not return_exceptions:
        raise answer
    return answer


def _in_order(by_place: Mapping[int, Any], return_exceptions: bool) -> list[Any]:
    return [_or_raise(by_place[place], return_exceptions) for place in range(len(by_place))]
