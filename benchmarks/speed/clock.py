"""One sample of what a subject costs: processor time or time on the wall, of a subject that was just made.

A subject is warmed up by one question, unless the first burst is what is measured.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, TypeVar

from benchmarks.speed.service import Service
from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.task import Task

Made = TypeVar("Made")
MICRO = 1e6
MILLI = 1e3


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure, and what else was seen."""

    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Makes subjects of one kind and measures them."""

    service: Service
    make: Callable[[Service], Subject]

    def cpu(self, task: Task, calls: int) -> float:
        """Processor time of a call, in microseconds."""
        with self._subject() as subject:
            ask = subject.asks(task)
            ask()
            with _timed(process_time) as spent:
                for _ in range(calls):
                    ask()
            return spent[0] / calls * MICRO

    def acpu(self, task: Task, calls: int) -> float:
        """Processor time of a call, in microseconds."""

        async def asked(subject: Subject) -> float:
            ask = subject.aasks(task)
            await ask()
            with _timed(process_time) as spent:
                for _ in range(calls):
                    await ask()
            return spent[0] / calls * MICRO

        return self._run(asked)

    def stream_cpu(self, task: Task, calls: int = 1) -> float:
        """Processor time of an event, in microseconds."""
        with self._subject() as subject:
            ask = subject.streams(task)
            _drain(ask())
            with _timed(process_time) as spent:
                for _ in range(calls):
                    _drain(ask())
            return spent[0] / (calls * task.events) * MICRO

    def astream_cpu(self, task: Task, calls: int = 1) -> float:
        """Processor time of an event, in microseconds."""

        async def asked(subject: Subject) -> float:
            ask = subject.astreams(task)
            await _adrain(ask())
            with _timed(process_time) as spent:
                for _ in range(calls):
                    await _adrain(ask())
            return spent[0] / (calls * task.events) * MICRO

        return self._run(asked)

    def first_event(self, task: Task, calls: int) -> float:
        """Time until there is text, without what the server waits, in milliseconds; the quickest of some calls."""
        with self._subject() as subject:
            ask = subject.streams(task)
            _drain(ask())
            return min(_until_text(ask) for _ in range(calls)) * MILLI - task.latency

    def burst(self, task: Task, calls: int) -> dict[str, Sample]:
        """Calls all at once, by a new client and once more, in milliseconds."""

        async def asked(subject: Subject) -> dict[str, Sample]:
            ask = subject.aasks(task)
            return {name: await self._burst(ask, calls) for name in ("cold", "warm")}

        return self._run(asked)

    async def _burst(self, ask: Callable[[], Awaitable[Any]], calls: int) -> Sample:
        before = self.service.connections()
        with _timed(perf_counter) as spent:
            answers = await asyncio.gather(*(ask() for _ in range(calls)), return_exceptions=True)
        return self._seen(spent[0], before, answers)

    def threads(self, task: Task, calls: int, threads: int) -> Sample:
        """Calls by a pool of threads, by a client that has none of its connections yet, in milliseconds."""
        with self._subject() as subject, ThreadPoolExecutor(threads) as pool:
            ask = subject.asks(task)

            def attempt(_: int) -> Any:
                try:
                    return ask()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                    return error

            before = self.service.connections()
            with _timed(perf_counter) as spent:
                answers = list(pool.map(attempt, range(calls)))
            return self._seen(spent[0], before, answers)

    def _seen(self, seconds: float, before: int, answers: list[Any]) -> Sample:
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        note = f"{self.service.connections() - before} connections"
        if errors:
            note += f", {len(errors)} errors ({type(errors[0]).__name__})"
        return Sample(seconds * MILLI, note)

    @contextmanager
    def _subject(self) -> Iterator[Subject]:
        subject = self.make(self.service)
        try:
            yield subject
        finally:
            subject.close()

    def _run(self, measured: Callable[[Subject], Coroutine[Any, Any, Made]]) -> Made:
        async def made() -> Made:
            subject = self.make(self.service)
            try:
                return await measured(subject)
            finally:
                await subject.aclose()

        return asyncio.run(made())


@contextmanager
def _timed(clock: Callable[[], float]) -> Iterator[list[float]]:
    """Time what is done within, in seconds; nobody else's litter is taken out meanwhile."""
    gc.collect()
    spent: list[float] = []
    begun = clock()
    yield spent
    spent.append(clock() - begun)


def _drain(pieces: Iterator[Any]) -> None:
    for _ in pieces:
        pass


async def _adrain(pieces: AsyncIterator[Any]) -> None:
    async for _ in pieces:
        pass


def _until_text(ask: Callable[[], Iterator[Any]]) -> float:
    begun = perf_counter()
    pieces = ask()
    next(pieces)
    spent = perf_counter() - begun
    _drain(pieces)
    return spent
