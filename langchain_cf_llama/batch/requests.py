"""LangChain inputs as numbered requests of the batch queue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list

from cf_llama.batch import Batch, BatchOptions, Item, Outcome
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.prepare import PreparedCall
from cf_llama.transport.transport import Transport
from langchain_cf_llama.batch.mixin import Configs
from langchain_cf_llama.messages import messages_of


class ParsedInput(NamedTuple):
    """One input as messages, and its config."""

    messages: list[BaseMessage]
    config: RunnableConfig


def parse_inputs(inputs: Sequence[LanguageModelInput], config: Configs) -> list[ParsedInput]:
    """Convert inputs to messages, each with its config.

    Raises:
        ValueError: an input is not a prompt, or the number of configs differs from that of the inputs.
    """
    configs = get_config_list(config, len(inputs))
    return [ParsedInput(messages_of(model_input), own) for model_input, own in zip(inputs, configs, strict=True)]


@dataclass(slots=True)
class Queue:
    """Requests for the batch queue; the reference of each is its index in the inputs."""

    options: BatchOptions
    items: list[Item] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    transport: Transport | None = None

    @classmethod
    def of(
        cls,
        inputs: Iterable[ParsedInput],
        options: BatchOptions,
        prepare_call: Callable[[list[BaseMessage]], PreparedCall],
    ) -> Queue:
        """Build the requests; one that cannot be built fails without failing the others.

        Args:
            inputs: The inputs. `max_concurrency` in the first config limits the batches pending at a time.
            options: How batches are split, sent and polled.
            prepare_call: Builds a request from messages.
        """
        queue = cls(options)
        for place, (messages, config) in enumerate(inputs):
            if place == 0 and (most := config.get("max_concurrency")):
                queue.options = replace(options, max_waiting=most)
            try:
                queue.transport, request = prepare_call(messages)
            except WorkersAIError as error:
                queue.refused.append(Outcome(reference=str(place), error=error))
            else:
                queue.items.append(Item(str(place), request))
        return queue

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
