"""Methods that the chat model, its bindings and its queued form share, and the bindings."""

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
Inputs: TypeAlias = Sequence[LanguageModelInput]
Configs: TypeAlias = RunnableConfig | list[RunnableConfig] | None
"""One config for all inputs, or one per input."""
QueueFields: TypeAlias = Mapping[str, Any] | None
"""Fields of `cf_llama.batch.BatchOptions`."""

_OF_TOOLS = {"tools", "tool_choice", "parallel_tool_calls", "response_format"}


class StructuredOutputMethods:
    """`with_structured_output`."""

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "function_calling",
        include_raw: bool = False,
        strict: bool | None = None,  # noqa: ARG002 - every answer is checked against the schema
        output_retries: int | None = 1,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model with answers that match a schema.

        Args:
            schema: A pydantic class (v2 or v1; the result is an instance), a TypedDict, a JSON schema or an OpenAI
                function (the result is a dict). None only with `json_mode`.
            method: "function_calling" forces a call of a tool with the schema's parameters. With "json_schema" the
                service enforces the schema, with "json_mode" only JSON, and the prompt describes the schema
                (Cloudflare docs: JSON mode). The object comes whole; nothing is streamed.
            include_raw: Return `{"raw": AIMessage, "parsed": ... or None, "parsing_error": Exception or None}`
                instead. The usage of the message includes all attempts.
            strict: Accepted for compatibility with other models; every answer is validated anyway.
            output_retries: How often an invalid answer is requested again, together with what is wrong with it. With
                a pydantic class, the class validates; with other schemas, the answer must be a JSON object. None
                means 1.
            kwargs: No other arguments are allowed.

        Returns:
            A runnable that returns the object, and never a silent None. Its `batch` sends all inputs at once, then
            those with invalid answers again.

        Raises:
            ValueError: the method is unknown, the schema is missing, `output_retries` is below 0, or there are other
                arguments.
            OutputParserException: on invoke, if the last answer is invalid too.
            WorkersAIError: on invoke, if the call fails.

        Examples:
            >>> llm.with_structured_output(Review, method="json_schema").invoke("I give it 4 stars")
            Review(stars=4)
        """
        from langchain_cf_llama.structured_output import structure  # noqa: PLC0415 - most programs never ask for it

        return structure(
            self.without_tools(), schema, method, include_raw=include_raw, output_retries=output_retries, **kwargs
        )

    def without_tools(self) -> Self:
        """The same without bound tools and without a form of the answer, which are replaced together."""
        return self


class QueueMethods:
    """`queued`, and shorthands for its batch methods; for their other options see `QueuedChat`."""

    @abstractmethod
    def queued(self, **options: Any) -> ChatRunnable:
        """This model as a `Runnable` whose `batch` uses the batch queue of Workers AI."""

    def batch_queue(
        self, inputs: Inputs, config: Configs = None, *, queue: QueueFields = None, **kwargs: Any
    ) -> list[Any]:
        """`queued(**queue).batch(...)`: send all inputs through the queue and return the messages in order."""
        return self.queued(**(queue or {})).batch(list(inputs), config, **kwargs)

    async def abatch_queue(
        self, inputs: Inputs, config: Configs = None, *, queue: QueueFields = None, **kwargs: Any
    ) -> list[Any]:
        """`queued(**queue).abatch(...)`: send all inputs through the queue and return the messages in order."""
        return await self.queued(**(queue or {})).abatch(list(inputs), config, **kwargs)

    def batch_queue_as_completed(
        self, inputs: Inputs, config: Configs = None, *, queue: QueueFields = None, **kwargs: Any
    ) -> Iterator[tuple[int, Any]]:
        """`queued(**queue).batch_as_completed(...)`: yield each message with its index as it arrives."""
        return self.queued(**(queue or {})).batch_as_completed(inputs, config, **kwargs)

    def abatch_queue_as_completed(
        self, inputs: Inputs, config: Configs = None, *, queue: QueueFields = None, **kwargs: Any
    ) -> AsyncIterator[tuple[int, Any]]:
        """`queued(**queue).abatch_as_completed(...)`: yield each message with its index as it arrives."""
        return self.queued(**(queue or {})).abatch_as_completed(inputs, config, **kwargs)


class ChatBinding(StructuredOutputMethods, RedactedBinding[LanguageModelInput, AIMessage]):  # type: ignore[no-redef] # LangChain's too
    """A chat model with bound options, which stay when tools or a schema are bound; LangChain's binding loses them."""

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> ChatRunnable:
        """Bind tools in place of those bound before; see `ChatCloudflareLlama.bind_tools`."""
        model: Any = self.bound
        return self.without_tools().bind(**model.bind_tools(tools, **kwargs).kwargs)

    def without_tools(self) -> Self:
        """The same without bound tools and without a form of the answer, which are replaced together."""
        options = {name: value for name, value in self.kwargs.items() if name not in _OF_TOOLS}
        return self.__class__(bound=self.bound, kwargs=options, config=self.config)


class BoundChatModel(QueueMethods, ChatBinding):  # type: ignore[no-redef] # LangChain's too
    """The chat model with bound options, which its other methods keep."""

    def queued(self, **options: Any) -> ChatRunnable:
        """The bound model as a `Runnable` whose `batch` uses the batch queue; see `ChatCloudflareLlama.queued`."""
        model = cast("QueueMethods", self.bound)
        bound: ChatRunnable = model.queued(**options).bind(**self.kwargs).with_config(self.config)
        return bound
