"""The chat model, asked through the service's batch queue: a step of a chain whose `batch` goes through the queue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from cf_llama.batch import BatchOptions
from cf_llama.transport.prepare import Asking
from langchain_cf_llama.batch.callbacks import Runs, aended, afailed, ended, failed
from langchain_cf_llama.batch.mixin import Configs
from langchain_cf_llama.batch.requests import Queue, questions_of
from langchain_cf_llama.batch.structured_output import QueuedForm
from langchain_cf_llama.prepare import Tool
from langchain_cf_llama.structured_output import Method, Model, structure

Ask = Callable[[list[BaseMessage], list[str] | None, Mapping[str, Any]], Asking]


class QueuedChat(Runnable[LanguageModelInput, AIMessage]):
    """A chat model whose `batch` goes through the batch queue.

    It stands in a chain where the model would stand, and then `batch` of the chain asks the queue:
    `(prompt | llm.queued() | parser).batch(inputs)`. A single `invoke` is a batch of one. `max_concurrency` in the
    first config is the number of batches under way at a time. LangChain's cache and rate limiter have no part in it.

    Args:
        llm: The model, as callbacks know it.
        ask: What makes requests of messages, stop sequences and options.
        options: How batches are cut, sent and waited for.
    """

    def __init__(self, llm: BaseChatModel, ask: Ask, options: BatchOptions) -> None:
        self._llm = llm
        self._ask = ask
        self._options = options

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002 - LangChain's name
        """Ask one question."""
        answer: AIMessage = self.batch([input], config, **kwargs)[0]
        return answer

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Ask one question."""
        answer: AIMessage = (await self.abatch([input], config, **kwargs))[0]
        return answer

    def batch(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Ask all, wait for all, and return the answers in order.

        Args:
            inputs: The questions.
            config: One for all, or one for each.
            return_exceptions: Give the error in place of an answer; else the first one is raised once all have ended.
            kwargs: As for `invoke` of the model: `stop`, `tools`, `response_format` and the like, and any setting.

        Raises:
            WorkersAIError: a question has no answer.
        """
        answers = self.batch_as_completed(inputs, config, return_exceptions=True, **kwargs)
        found = {place: answer for place, answer in answers}  # noqa: C416 - as in the other colour
        return _in_order(found, return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Ask all, wait for all, and return the answers in order; see `batch`."""
        answers = self.abatch_as_completed(inputs, config, return_exceptions=True, **kwargs)
        found = {place: answer async for place, answer in answers}
        return _in_order(found, return_exceptions)

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Generator[tuple[int, Any], None, None]:
        """Ask all, and give each answer with its place as it comes; see `batch`.

        An error that is raised, and closing this generator, give up what is under way.
        """
        questions = questions_of(inputs, config)
        runs: dict[int, CallbackManagerForLLMRun] = {}
        told = Runs(self._llm, kwargs)
        try:
            for place, question in enumerate(questions):
                runs[place] = told.begin(*question)
            queue = Queue.of(questions, self._options, lambda messages: self._ask(messages, told.stop, told.options))
            with closing(queue.outcomes()) as outcomes:
                for outcome in outcomes:
                    place = int(outcome.reference)
                    yield place, _given(ended(runs.pop(place), outcome), return_exceptions)
        except BaseException as error:
            for run in runs.values():
                failed(run, error)
            raise

    async def abatch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """Ask all, and give each answer with its place as it comes; see `batch_as_completed`."""
        questions = questions_of(inputs, config)
        runs: dict[int, AsyncCallbackManagerForLLMRun] = {}
        told = Runs(self._llm, kwargs)
        try:
            for place, question in enumerate(questions):
                runs[place] = await told.abegin(*question)
            queue = Queue.of(questions, self._options, lambda messages: self._ask(messages, told.stop, told.options))
            async with aclosing(queue.aoutcomes()) as outcomes:
                async for outcome in outcomes:
                    place = int(outcome.reference)
                    yield place, _given(await aended(runs.pop(place), outcome), return_exceptions)
        except BaseException as error:
            for run in runs.values():
                await afailed(run, error)
            raise

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The same with tools to call; see `ChatCloudflareLlama.bind_tools`."""
        llm: Model = self._llm
        bound: Any = llm.bind_tools(tools, **kwargs)
        return self.bind(**bound.kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "function_calling",
        include_raw: bool = False,
        output_retries: int | None = 1,
    ) -> Runnable[LanguageModelInput, Any]:
        """The same answering in the form of a schema; answers that do not fit are asked for again, in a batch.

        Args:
            schema: See `ChatCloudflareLlama.with_structured_output`, as for the rest.
            method: How the form is asked for.
            include_raw: Give the message and what is wrong with it as well.
            output_retries: How many batches answers that do not fit are asked for in again.
        """
        return QueuedForm(structure(self, schema, method, include_raw=include_raw, output_retries=output_retries))


def _given(answer: AIMessage | Exception, return_exceptions: bool) -> AIMessage | Exception:
    if isinstance(answer, Exception) and not return_exceptions:
        raise answer
    return answer


def _in_order(found: Mapping[int, Any], return_exceptions: bool) -> list[Any]:
    return [_given(found[place], return_exceptions) for place in range(len(found))]
