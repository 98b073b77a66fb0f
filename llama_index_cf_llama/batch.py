"""The batch queue for LlamaIndex: a model whose requests use the queue."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import ConfigDict, PrivateAttr

from cf_llama import InvalidRequestError

if TYPE_CHECKING:
    from cf_llama import Settings
    from cf_llama.batch.request_collector import RequestCollector


class QueueMethods(FunctionCallingLLM):
    """The part of `CloudflareLlama` for the batch queue."""

    model_config = ConfigDict(defer_build=True)  # never instantiated

    _queue: RequestCollector | None = PrivateAttr(default=None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore private attributes, which LlamaIndex does not."""
        super().__setstate__(state)
        self._queue = (state["__pydantic_private__"] or {}).get("_queue")

    def queued(self, **options: Any) -> Self:
        """Return a copy whose requests use the batch queue, for extractors, programs and engines over many nodes.

        Asynchronous requests made at about the same time go into one batch, so set `num_workers` where possible. A
        synchronous request, such as `chat`, is a batch of one.

        Args:
            options: Fields of `cf_llama.batch.BatchOptions`: how batches are split, sent and polled.

        Raises:
            ValueError: an option is unknown or its value is not allowed.

        Examples:
            >>> extractor = SummaryExtractor(llm=llm.queued(), num_workers=500)
            >>> IngestionPipeline(transformations=[splitter, extractor]).run(documents=documents)
        """
        from cf_llama.batch import BatchOptions  # noqa: PLC0415 - most programs never ask for it
        from cf_llama.batch.request_collector import RequestCollector  # noqa: PLC0415 - as above

        model = self.model_copy()
        model._queue = RequestCollector(BatchOptions(**options))  # noqa: SLF001 - of the copy
        return model

    def batch_queue(
        self,
        conversations: Sequence[Sequence[ChatMessage]],
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all requests through the batch queue and return the responses in order.

        Args:
            conversations: The messages of each request; each has its own callbacks and events.
            return_exceptions: Return an error in place of its response; else the first is raised once all have ended.
            queue: Fields of `cf_llama.batch.BatchOptions`.
            kwargs: As for `chat`.

        Raises:
            WorkersAIError: a request failed.
            InvalidRequestError: `http_client` is set, but not `http_async_client`, which sends these requests.
            ValueError: an option of the queue is unknown, or its value is not allowed.
        """
        settings = cast("Settings", self)
        if settings.http_client and not settings.http_async_client:
            raise InvalidRequestError("batch_queue sends requests by http_async_client: set it beside http_client")
        coroutine = self.abatch_queue(conversations, return_exceptions=return_exceptions, queue=queue, **kwargs)
        return _run(coroutine)

    async def abatch_queue(
        self,
        conversations: Sequence[Sequence[ChatMessage]],
        *,
        return_exceptions: bool = False,
        queue: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Send all requests through the batch queue and return the responses in order; see `batch_queue`."""
        model = self.queued(**(queue or {}))
        calls = (model.achat(messages, **kwargs) for messages in conversations)
        responses: list[ChatResponse | BaseException] = await asyncio.gather(*calls, return_exceptions=True)
        failed = (each for each in responses if isinstance(each, BaseException))
        if not return_exceptions and (error := next(failed, None)):
            raise error
        return responses


def _run(coroutine: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """Run a coroutine, also if an event loop is running; LlamaIndex's own helper then leaves connections open."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()
