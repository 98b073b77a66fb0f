"""The ways into the batch queue, for the model and for the model with something bound to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, TypeAlias

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

ChatRunnable = Runnable[LanguageModelInput, AIMessage]
Configs: TypeAlias = RunnableConfig | Sequence[RunnableConfig] | None
"""One for all, or one for each."""


class QueueMethods:
    """Short forms of `queued`, which says what goes through the queue.

    In each, `queue` holds fields of `cf_llama.batch.BatchOptions`; for the rest see `QueuedChat`.
    """

    @abstractmethod
    def queued(self, **options: Any) -> ChatRunnable:
        """This model as a step of a chain whose `batch` goes through the service's batch queue.

        Args:
            options: How batches are cut, sent and waited for: fields of `cf_llama.batch.BatchOptions`.

        Raises:
            ValueError: an option is unknown, or its value is not allowed.
        """

    def batch_queue(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """`queued().batch(...)`: ask all through the queue, and return the answers in order."""
        model: Any = self.queued(**(queue or {}))
        answers: list[Any] = model.batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return answers

    async def abatch_queue(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """`queued().abatch(...)`: ask all through the queue, and return the answers in order."""
        model: Any = self.queued(**(queue or {}))
        answers: list[Any] = await model.abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return answers

    def batch_queue_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """`queued().batch_as_completed(...)`: each answer with its place, as it comes."""
        model: Any = self.queued(**(queue or {}))
        with closing(
            model.batch_as_completed(inputs, config, return_exceptions=return_exceptions, **kwargs)
        ) as answers:
            for pair in answers:  # noqa: UP028 - as in the other colour
                yield pair

    async def abatch_queue_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """`queued().abatch_as_completed(...)`: each answer with its place, as it comes."""
        model: Any = self.queued(**(queue or {}))
        async with aclosing(
            model.abatch_as_completed(inputs, config, return_exceptions=return_exceptions, **kwargs)
        ) as answers:
            async for pair in answers:
                yield pair
