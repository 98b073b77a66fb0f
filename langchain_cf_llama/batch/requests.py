"""What LangChain asks all at once, and how it goes through the queue: numbered, and each refused or answered."""

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


class Question(NamedTuple):
    """One input, and the config it came with."""

    messages: list[BaseMessage]
    config: RunnableConfig


def parse_inputs(inputs: Sequence[LanguageModelInput], config: Configs) -> list[Question]:
    """The inputs as messages, each with its own config.

    Raises:
        ValueError: an input is no prompt, or the configs are not as many as the inputs.
    """
    configs = get_config_list(config, len(inputs))
    return [Question(messages_of(each), own) for each, own in zip(inputs, configs, strict=True)]


@dataclass(slots=True)
class Queue:
    """Questions on their way through the queue; the reference of each is its place."""

    options: BatchOptions
    items: list[Item] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    transport: Transport | None = None

    @classmethod
    def of(
        cls,
        questions: Iterable[Question],
        options: BatchOptions,
        prepare_call: Callable[[list[BaseMessage]], PreparedCall],
    ) -> Queue:
        """Make requests of the questions; those of which none can be made fail alone.

        Args:
            questions: What is asked. The first config may say how many batches are under way at a time.
            options: How batches are cut, sent and waited for.
            prepare_call: Makes the request from messages.
        """
        queue = cls(options)
        for place, (messages, config) in enumerate(questions):
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
        """How each question ended, as that comes."""
        for outcome in self.refused:
            yield outcome
        if self.transport:
            with closing(Batch(self.transport, self.options).as_completed(self.items)) as outcomes:
                for outcome in outcomes:
                    yield outcome

    async def aoutcomes(self) -> AsyncGenerator[Outcome, None]:
        """How each question ended, as that comes."""
        for outcome in self.refused:
            yield outcome
        if self.transport:
            async with aclosing(Batch(self.transport, self.options).aas_completed(self.items)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
