"""Sends requests through the queue, sync and async side by side; `BatchScheduler` decides what to do and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from cf_llama.batch.actions import Action, Pause, Ticket
from cf_llama.batch.job import Job
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.payloads import Item, Outcome
from cf_llama.batch.reservations import Reservations
from cf_llama.batch.scheduler import BatchScheduler
from cf_llama.config.budget import budgets_of
from cf_llama.protocol.errors import InvalidRequestError, WorkersAIError
from cf_llama.protocol.reply import Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.transport import Transport


@dataclass(slots=True)
class Batch:
    """Sends requests through the queue of a connection.

    Requests that fail, or that the results lack, are outcomes with an error. What fails every other request
    as well (credentials, quota) ends the sending: those not sent get that error, and what was sent is still waited
    for.

    Args:
        transport: Where to send them.
        options: How they are cut, sent and waited for.
    """

    transport: Transport
    options: BatchOptions = field(default_factory=BatchOptions)
    usage: Usage = field(default_factory=Usage, init=False)
    """Usage of all results so far, including failed ones."""
    _messages: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        self._messages = self.options.items != "prompt"

    @property
    def adapted_options(self) -> BatchOptions:
        """Options for further batches: with prompts, once messages have been rejected."""
        return self.options if self._messages else replace(self.options, items="prompt")

    @staticmethod
    def open(path: str | Path, **choices: Any) -> Job:
        """Open a batch that outlives its process: the `Job` with this journal, new or continued.

        Args:
            path: The file.
            choices: `attempts` and `retry_in_doubt`, see `Job`.

        Raises:
            InvalidRequestError: another process has it open, or the file is no journal.
        """
        return Job.open(path, **choices)

    def run(self, requests: Iterable[ChatRequest], references: Sequence[str] | None = None) -> list[Outcome]:
        """Send all requests and return the outcomes in their order.

        Args:
            requests: The requests.
            references: A name for each, all different; their places from "0" where none are given.

        Raises:
            InvalidRequestError: the references are not as many as the requests, or not all different.
        """
        items = with_references(requests, references)
        found = {}
        for outcome in self.as_completed(items):
            found[outcome.reference] = outcome
        return [found[item.reference] for item in items]

    async def arun(self, requests: Iterable[ChatRequest], references: Sequence[str] | None = None) -> list[Outcome]:
        """Send all requests and return the outcomes in their order; see `run`."""
        items = with_references(requests, references)
        found = {}
        async for outcome in self.aas_completed(items):
            found[outcome.reference] = outcome
        return [found[item.reference] for item in items]

    def as_completed(self, items: Iterable[Item]) -> Generator[Outcome, None, None]:
        """Send all items and yield each outcome on arrival; only items in flight are held in memory."""
        return self._outcomes(*self._work(items))

    def aas_completed(self, items: Iterable[Item]) -> AsyncGenerator[Outcome, None]:
        """Send all items and yield each outcome on arrival; only items in flight are held in memory."""
        return self._aoutcomes(*self._work(items))

    def submit(self, items: Iterable[Item]) -> list[Ticket]:
        """Submit all items and return their tickets.

        Raises:
            WorkersAIError: a request failed. `as_completed` gives an outcome for each instead.
        """
        scheduler, reservations = self._work(items)
        with closing(reservations):  # what it is billed is not known here, so the worst case counts
            while (action := scheduler.next_submission(monotonic())) is not None:
                self._perform(scheduler, action)
            _raise_first(reservations.settled(scheduler.remaining_outcomes()))
        return [poll.ticket for poll in scheduler.waiting]

    async def asubmit(self, items: Iterable[Item]) -> list[Ticket]:
        """Submit all items and return their tickets; see `submit`."""
        scheduler, reservations = self._work(items)
        with closing(reservations):  # what it is billed is not known here, so the worst case counts
            while (action := scheduler.next_submission(monotonic())) is not None:
                await self._aperform(scheduler, action)
            _raise_first(reservations.settled(scheduler.remaining_outcomes()))
        return [poll.ticket for poll in scheduler.waiting]

    def collect(self, ticket: Ticket, requests: Sequence[ChatRequest] = ()) -> Generator[Outcome, None, None]:
        """Wait for a batch submitted before, by this process or another, and yield its outcomes.

        Args:
            ticket: As it was returned, or made of a `request_id`, the model, and the references that were sent. Where
                these are not known, every result is given under the reference that it brings, in its own order, and
                a failure of the whole batch under its `request_id`.
            requests: The requests, in the order of the references: they tell how the answers are to be read (stop
                sequences, tools). Without them, answers are read as plain texts.
        """
        return self._outcomes(*self._resume(ticket, requests))

    def acollect(self, ticket: Ticket, requests: Sequence[ChatRequest] = ()) -> AsyncGenerator[Outcome, None]:
        """Wait for a batch submitted before, by this process or another, and yield its outcomes; see `collect`."""
        return self._aoutcomes(*self._resume(ticket, requests))

    def _work(self, items: Iterable[Item]) -> tuple[BatchScheduler, Reservations]:
        source = iter(items)
        budgets = budgets_of(self.transport.connection.budget)
        reservations = Reservations(lambda count: list(islice(source, count)), budgets)
        return BatchScheduler(self.options, reservations.take, messages=self._messages), reservations

    def _resume(self, ticket: Ticket, requests: Sequence[ChatRequest]) -> tuple[BatchScheduler, Reservations]:
        if requests and len(requests) != len(ticket.references):
            raise InvalidRequestError(f"{len(ticket.references)} references, but {len(requests)} requests")
        known = requests or [ChatRequest(prompt="?", model=ticket.model)] * len(ticket.references)
        scheduler, reservations = self._work(())
        scheduler.resume(ticket, [Item(*pair) for pair in zip(ticket.references, known, strict=True)], monotonic())
        return scheduler, reservations

    def _outcomes(self, scheduler: BatchScheduler, reservations: Reservations) -> Generator[Outcome, None, None]:
        with closing(reservations):
            while (action := scheduler.next_action(monotonic())) is not None:
                self._perform(scheduler, action)
                for outcome in reservations.settled(scheduler.take_outcomes()):
                    yield outcome
            for outcome in reservations.settled(scheduler.remaining_outcomes()):
                yield outcome

    async def _aoutcomes(self, scheduler: BatchScheduler, reservations: Reservations) -> AsyncGenerator[Outcome, None]:
        with closing(reservations):
            while (action := scheduler.next_action(monotonic())) is not None:
                await self._aperform(scheduler, action)
                for outcome in reservations.settled(scheduler.take_outcomes()):
                    yield outcome
            for outcome in reservations.settled(scheduler.remaining_outcomes()):
                yield outcome

    def _perform(self, scheduler: BatchScheduler, action: Action) -> None:
        if isinstance(action, Pause):
            time.sleep(action.seconds)
            return
        try:
            response = self.transport.post(action.request)
        except WorkersAIError as error:
            scheduler.failed(action, error, monotonic())
        else:
            scheduler.succeeded(action, response, monotonic())
        self._learn(scheduler)

    async def _aperform(self, scheduler: BatchScheduler, action: Action) -> None:
        if isinstance(action, Pause):
            await asyncio.sleep(action.seconds)
            return
        try:
            response = await self.transport.apost(action.request)
        except WorkersAIError as error:
            scheduler.failed(action, error, monotonic())
        else:
            scheduler.succeeded(action, response, monotonic())
        self._learn(scheduler)

    def _learn(self, scheduler: BatchScheduler) -> None:
        self.usage += scheduler.take_usage()
        self._messages = scheduler.messages


def with_references(requests: Iterable[ChatRequest], references: Sequence[str] | None = None) -> list[Item]:
    """Combine requests with their references.

    Raises:
        InvalidRequestError: the references are not as many as the requests, or not all different.
    """
    requests = list(requests)
    names = [str(place) for place in range(len(requests))] if references is None else list(references)
    if len(names) != len(requests) or len(set(names)) != len(names) or not all(names):
        raise InvalidRequestError("references must be as many as the requests, all different, and none empty")
    return [Item(name, request) for name, request in zip(names, requests, strict=True)]


def _raise_first(outcomes: Iterator[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
