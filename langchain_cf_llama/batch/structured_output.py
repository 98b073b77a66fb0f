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
from langchain_cf_llama.structured_output import NAME, Answer, StructuredOutput, correction_messages, missing_call


class QueuedStructuredOutput(Runnable[LanguageModelInput, Any]):
    """A `Runnable` that returns one object per input; all its methods use the batch queue.

    Args:
        structure: Requests objects from a queued model and reads them from its answers.
    """

    name = NAME

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
        model, answers = self._structure.model, _Answers(self._structure, inputs)
        answers.read(model.batch(answers.conversations(), config, return_exceptions=True, **options))
        for _ in range(self._structure.output_retries if answers.invalid() else 0):
            own = [config[place] for place in answers.invalid()]
            answers.read_again(model.batch(answers.corrections(), own, return_exceptions=True, **options))
            if not answers.invalid():
                break
        return answers.objects()

    async def _abatch(
        self,
        inputs: list[LanguageModelInput],
        run_manager: list[AsyncCallbackManagerForChainRun],  # noqa: ARG002 - as above
        config: list[RunnableConfig],
        **options: Any,
    ) -> list[Any]:
        model, answers = self._structure.model, _Answers(self._structure, inputs)
        answers.read(await model.abatch(answers.conversations(), config, return_exceptions=True, **options))
        for _ in range(self._structure.output_retries if answers.invalid() else 0):
            own = [config[place] for place in answers.invalid()]
            answers.read_again(await model.abatch(answers.corrections(), own, return_exceptions=True, **options))
            if not answers.invalid():
                break
        return answers.objects()


class _Answers:
    """The inputs of one batch, and the latest answer or error of each."""

    def __init__(self, structure: StructuredOutput, inputs: Sequence[LanguageModelInput]) -> None:
        self._structure = structure
        self._conversations = [[*structure.instructions, *messages_of(model_input)] for model_input in inputs]
        self._answers: list[Answer | Exception] = []

    def conversations(self) -> list[LanguageModelInput]:
        """The messages of the first batch."""
        return list(self._conversations)

    def read(self, answers: Sequence[AIMessage | Exception]) -> None:
        """Parse the answers of the first batch."""
        self._answers = [self._parse(answer) for answer in answers]

    def invalid(self) -> list[int]:
        """The indexes of answers that do not fit."""
        return [place for place, answer in enumerate(self._answers) if isinstance(answer, Answer) and answer.error]

    def corrections(self) -> list[LanguageModelInput]:
        """The conversations whose answers do not fit, extended by the answer and what is wrong with it."""
        answers = [(place, self._answers[place]) for place in self.invalid()]
        return [
            [*self._conversations[place], *correction_messages(answer)]
            for place, answer in answers
            if isinstance(answer, Answer)
        ]

    def read_again(self, answers: Sequence[AIMessage | Exception]) -> None:
        """Parse the answers to `corrections` and add the earlier usage."""
        for place, message in zip(self.invalid(), answers, strict=True):
            earlier, answer = self._answers[place], self._parse(message)
            if isinstance(earlier, Answer) and isinstance(answer, Answer):
                answer = answer.with_earlier_usage(earlier)
            self._answers[place] = answer

    def objects(self) -> list[Any]:
        """The object or error of each input."""
        return [answer if isinstance(answer, Exception) else self._object(answer) for answer in self._answers]

    def _parse(self, answer: AIMessage | Exception) -> Answer | Exception:
        if isinstance(answer, ToolChoiceError):
            return missing_call(answer)
        return answer if isinstance(answer, Exception) else self._structure.read(answer)

    def _object(self, answer: Answer) -> Any:
        return answer.error if answer.error and not self._structure.include_raw else self._structure.result(answer)
