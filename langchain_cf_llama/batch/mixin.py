"""Batch queue methods of the model and of the model with bound options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_cf_llama.base import RedactedBinding

ChatRunnable = Runnable[LanguageModelInput, AIMessage]
Configs: TypeAlias = RunnableConfig | Sequence[RunnableConfig] | None
"""One config for all inputs, or one per input."""


class QueueMethods:
    """`queued`, and shorthands for its batch methods.

    `queue` holds fields of `cf_llama.batch.BatchOptions`; for the other parameters see `QueuedChat`.
    """

    @abstractmethod
    def queued(self, **options: Any) -> ChatRunnable:
        """This model as a `Runnable` whose `batch` uses the batch queue of Workers AI.

        Args:
            options: Fields of `cf_llama.batch.BatchOptions`: how batches are split, sent and polled.

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
        """`queued().batch(...)`: send all inputs through the queue and return the messages in order."""
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
        """`queued().abatch(...)`: send all inputs through the queue and return the messages in order."""
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
        """`queued().batch_as_completed(...)`: yield each message with its index as it arrives."""
        model: Any = self.queued(**(queue or {}))
        answers: Iterator[tuple[int, Any]] = model.batch_as_completed(
            inputs, config, return_exceptions=return_exceptions, **kwargs
        )
        return answers

    def abatch_queue_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """`queued().abatch_as_completed(...)`: yield each message with its index as it arrives."""
        model: Any = self.queued(**(queue or {}))
        answers: AsyncIterator[tuple[int, Any]] = model.abatch_as_completed(
            inputs, config, return_exceptions=return_exceptions, **kwargs
        )
        return answers


class BoundChatModel(QueueMethods, RedactedBinding[LanguageModelInput, AIMessage]):  # type: ignore[no-redef] # LangChain's too
    """The chat model with bound options, which `queued` keeps; LangChain's binding would lose them."""

    def queued(self, **options: Any) -> ChatRunnable:
        """The bound model as a `Runnable` whose `batch` uses the batch queue; see `QueueMethods.queued`."""
        model = cast("QueueMethods", self.bound)
        return model.queued(**options).bind(**self.kwargs).with_config(self.config)
