"""Structured output through the batch queue: answers that do not fit are requested again in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_cf_llama.errors import ToolChoiceError
from langchain_cf_llama.messages import messages_of
from langchain_cf_llama.structured_output import (
    Answer,
    StructuredOutput,
    StructuredRunnable,
    correction_messages,
    missing_call,
)


class QueuedStructuredOutput(Runnable[LanguageModelInput, Any]):
    """A `Runnable` that returns one object per input; all its methods use the batch queue.

    Args:
        structure: Requests objects from a queued model and reads them from its answers.
    """

    name = StructuredRunnable.name

    def __init__(self, structure: StructuredOutput) -> None:
        self._structure = structure

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        objects = self.batch([input], config, **kwargs)
        return objects[0]

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        objects = await self.abatch([input], config, **kwargs)
        return objects[0]

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all inputs and return the objects in order; see `QueuedChat.batch`."""
        return self._batch_with_config(self._batch, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all inputs and return the objects in order; see `QueuedChat.batch`."""
        return await self._abatch_with_config(
            self._abatch, inputs, config, return_exceptions=return_exceptions, **kwargs
        )

    def _batch(
        self,
        inputs: list[LanguageModelInput],
        run_manager: list[CallbackManagerForChainRun],  # noqa: ARG002 - the configs hold it too
        config: list[RunnableConfig],
        **options: Any,
    ) -> list[Any]:
        structure = self._structure
        model: Any = structure.model  # takes a list of lists of messages as well as one of inputs
        messages = [[*structure.instructions, *messages_of(each)] for each in inputs]
        replies = model.batch(messages, config, return_exceptions=True, **options)
        answers = [self._read(reply) for reply in replies]
        for _ in range(structure.output_retries):
            if not (invalid := _invalid(answers)):
                break
            corrected = [[*messages[place], *correction_messages(answer)] for place, answer in invalid.items()]
            own = [config[place] for place in invalid]
            replies = model.batch(corrected, own, return_exceptions=True, **options)
            for (place, earlier), reply in zip(invalid.items(), replies, strict=True):
                answers[place] = self._read(reply, earlier)
        return [self._object(answer) for answer in answers]

    async def _abatch(
        self,
        inputs: list[LanguageModelInput],
        run_manager: list[AsyncCallbackManagerForChainRun],  # noqa: ARG002 - as above
        config: list[RunnableConfig],
        **options: Any,
    ) -> list[Any]:
        structure = self._structure
        model: Any = structure.model  # takes a list of lists of messages as well as one of inputs
        messages = [[*structure.instructions, *messages_of(each)] for each in inputs]
        replies = await model.abatch(messages, config, return_exceptions=True, **options)
        answers = [self._read(reply) for reply in replies]
        for _ in range(structure.output_retries):
            if not (invalid := _invalid(answers)):
                break
            corrected = [[*messages[place], *correction_messages(answer)] for place, answer in invalid.items()]
            own = [config[place] for place in invalid]
            replies = await model.abatch(corrected, own, return_exceptions=True, **options)
            for (place, earlier), reply in zip(invalid.items(), replies, strict=True):
                answers[place] = self._read(reply, earlier)
        return [self._object(answer) for answer in answers]

    def _read(self, reply: AIMessage | Exception, earlier: Answer | None = None) -> Answer | Exception:
        """Parse a reply, and add the usage of an earlier one; errors that no correction helps stay errors."""
        if isinstance(reply, Exception) and not isinstance(reply, ToolChoiceError):
            return reply
        answer = missing_call(reply) if isinstance(reply, ToolChoiceError) else self._structure.read(reply)
        return answer.with_earlier_usage(earlier) if earlier else answer

    def _object(self, answer: Answer | Exception) -> Any:
        if isinstance(answer, Exception):
            return answer
        return answer.error if answer.error and not self._structure.include_raw else self._structure.result(answer)


def _invalid(answers: Sequence[Answer | Exception]) -> dict[int, Answer]:
    """The answers that do not fit, by their place."""
    return {place: each for place, each in enumerate(answers) if isinstance(each, Answer) and each.error}
