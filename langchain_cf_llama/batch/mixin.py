"""Batch queue methods of the model and of the model with bound options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_cf_llama.base import RedactedBinding
from langchain_cf_llama.prepare import Method, Tool

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


_OF_TOOLS = {"tools", "tool_choice", "parallel_tool_calls", "response_format"}


class ChatBinding(RedactedBinding[LanguageModelInput, AIMessage]):  # type: ignore[no-redef] # LangChain's too
    """A chat model with bound options, which stay when tools or a schema are bound; LangChain's binding loses them."""

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> ChatRunnable:
        """Bind tools in place of those bound before; see `ChatCloudflareLlama.bind_tools`."""
        model: Any = self.bound
        return self.without_tools().bind(**model.bind_tools(tools, **kwargs).kwargs)

    def without_tools(self) -> Self:
        """The same without tools and without the form of the answer, which are replaced together."""
        options = {name: value for name, value in self.kwargs.items() if name not in _OF_TOOLS}
        return self.__class__(bound=self.bound, kwargs=options, config=self.config)


class BoundChatModel(QueueMethods, ChatBinding):  # type: ignore[no-redef] # LangChain's too
    """The chat model with bound options, which its other methods keep."""

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "function_calling",
        strict: bool | None = None,  # noqa: ARG002 - every answer is checked against the schema
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return objects that fit a schema; see `ChatCloudflareLlama.with_structured_output`."""
        from langchain_cf_llama.structured_output import (  # noqa: PLC0415 - most programs never ask for it
            StructuredRunnable,
            structure,
        )

        return StructuredRunnable(structure(self.without_tools(), schema, method, **kwargs))

    def queued(self, **options: Any) -> ChatRunnable:
        """The bound model as a `Runnable` whose `batch` uses the batch queue; see `QueueMethods.queued`."""
        model = cast("QueueMethods", self.bound)
        return model.queued(**options).bind(**self.kwargs).with_config(self.config)
