"""Collects single requests made at about the same time and sends them through the batch queue together.

This is for callers who know only one request each, such as LlamaIndex's extractors: each waits for an answer
of its own, and what has been asked within a moment is one batch.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

from cf_llama.batch import Batch, BatchOptions, Item, Outcome
from cf_llama.protocol.reply import Delta, Reply
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.prepare import PreparedCall
from cf_llama.transport.transport import Transport


class _PendingRequest(NamedTuple):
    transport: Transport
    request: ChatRequest
    answer: Future[Reply]


class RequestCollector:
    """The batch queue with the interface of `Transport`, shared by event loops and threads.

    Asynchronous requests of one event loop go together; a synchronous one is a batch of one. An answer that is
    streamed comes in one piece.

    Args:
        options: How batches are cut, sent and waited for.
        moment: Seconds from the first request of a batch until it is sent. The default keeps within 300 batches a
            minute.
    """

    def __init__(self, options: BatchOptions, moment: float = 0.2) -> None:
        self._options, self._moment = options, moment
        self._pending: WeakKeyDictionary[AbstractEventLoop, list[_PendingRequest]] = WeakKeyDictionary()
        self._tasks: set[Task[None]] = set()

    def __reduce__(self) -> tuple[type[RequestCollector], tuple[BatchOptions, float]]:
        """Copies and pickles have the settings and no requests."""
        return RequestCollector, (self._options, self._moment)

    def run(self, call: PreparedCall) -> Reply:
        """Send a request and return its reply.

        Raises:
            WorkersAIError: there is none.
        """
        transport, request = call
        batch = Batch(transport, self._options)
        [outcome] = batch.run([request])
        self._options = batch.adapted_options
        return _answer(outcome)

    async def arun(self, call: PreparedCall) -> Reply:
        """Send a request together with others and return its reply; see `run`."""
        loop = asyncio.get_running_loop()
        pending = self._pending.setdefault(loop, [])
        if not pending:
            loop.call_later(self._moment, self._send, loop)
        answer: Future[Reply] = loop.create_future()
        pending.append(_PendingRequest(*call, answer))
        return await answer

    def stream(self, call: PreparedCall) -> Generator[Delta, None, None]:
        """Yield the reply as one delta; see `run`."""
        yield _as_delta(self.run(call))

    async def astream(self, call: PreparedCall) -> AsyncGenerator[Delta, None]:
        """Yield the reply as one delta; see `run`."""
        yield _as_delta(await self.arun(call))

    def _send(self, loop: AbstractEventLoop) -> None:
        """Send the collected requests, grouped by transport."""
        for group in _by_transport(self._pending.pop(loop)):
            task = loop.create_task(self._prepare_call(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            for each in group:
                each.answer.add_done_callback(partial(_cancel_when_abandoned, group, task))

    async def _prepare_call(self, group: Sequence[_PendingRequest]) -> None:
        items = [Item(str(place), each.request) for place, each in enumerate(group) if not each.answer.done()]
        batch = Batch(group[0].transport, self._options)
        try:
            async with aclosing(batch.aas_completed(items)) as outcomes:
                async for outcome in outcomes:
                    _settle(group[int(outcome.reference)].answer, outcome)
        finally:  # whatever happened, no caller is left waiting
            self._options = batch.adapted_options
            for each in group:
                each.answer.cancel()


def _by_transport(requests: Iterable[_PendingRequest]) -> list[list[_PendingRequest]]:
    groups: list[list[_PendingRequest]] = []
    for each in requests:
        group = next((group for group in groups if group[0].transport == each.transport), None)
        if group is None:
            groups.append(group := [])
        group.append(each)
    return groups


def _cancel_when_abandoned(group: Sequence[_PendingRequest], task: Task[None], _: Future[Reply]) -> None:
    """Stop polling once every caller has been cancelled."""
    if all(each.answer.done() for each in group) and any(each.answer.cancelled() for each in group):
        task.cancel()


def _settle(answer: Future[Reply], outcome: Outcome) -> None:
    if answer.done():  # who asked has been cancelled
        return
    if outcome.error:
        answer.set_exception(outcome.error)
    else:
        answer.set_result(_answer(outcome))


def _answer(outcome: Outcome) -> Reply:
    if outcome.error:
        raise outcome.error
    return outcome.reply or Reply()


def _as_delta(reply: Reply) -> Delta:
    return Delta(reply.text, reply.tool_calls, reply)
