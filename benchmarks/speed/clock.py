"""One sample of what a subject costs: processor time or time on the wall, of a subject that was just made.

A subject is warmed up by one question, unless the first burst is what is measured.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any, TypeVar

from benchmarks.speed.measure import Bench, Sample
from benchmarks.speed.service import Service
from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.task import Task

Made = TypeVar("Made")
MICRO = 1e6
MILLI = 1e3


def cpu(bench: Bench, task: Task, calls: int) -> float:
    """Processor time of a call, in microseconds."""
    with _subject(bench) as subject:
        ask = subject.asks(task)
        ask()
        with _timed(process_time) as spent:
            for _ in range(calls):
                ask()
        return spent[0] / calls * MICRO


def acpu(bench: Bench, task: Task, calls: int) -> float:
    """Processor time of a call, in microseconds."""

    async def asked(subject: Subject) -> float:
        ask = subject.aasks(task)
        await ask()
        with _timed(process_time) as spent:
            for _ in range(calls):
                await ask()
        return spent[0] / calls * MICRO

    return _run(bench, asked)


def stream_cpu(bench: Bench, task: Task) -> float:
    """Processor time of an event, in microseconds."""
    with _subject(bench) as subject:
        ask = subject.streams(task)
        _drain(ask())
        with _timed(process_time) as spent:
            _drain(ask())
        return spent[0] / task.events * MICRO


def astream_cpu(bench: Bench, task: Task) -> float:
    """Processor time of an event, in microseconds."""

    async def asked(subject: Subject) -> float:
        ask = subject.astreams(task)
        await _adrain(ask())
        with _timed(process_time) as spent:
            await _adrain(ask())
        return spent[0] / task.events * MICRO

    return _run(bench, asked)


def first_event(bench: Bench, task: Task, calls: int) -> float:
    """Time until the first piece is there, without what the server waits, in milliseconds; the quickest of some."""
    with _subject(bench) as subject:
        ask = subject.streams(task)
        _drain(ask())
        return min(_until_first(ask) for _ in range(calls)) * MILLI - task.latency


def burst(bench: Bench, task: Task, calls: int) -> dict[str, Sample]:
    """Calls all at once, by a new client and once more, in milliseconds."""

    async def asked(subject: Subject) -> dict[str, Sample]:
        ask = subject.aasks(task)
        return {name: await _burst(bench.service, ask, calls) for name in ("cold", "warm")}

    return _run(bench, asked)


def burst_cpu(bench: Bench, task: Task, calls: int) -> float:
    """Processor time of calls all at once, of a client that has their connections, in microseconds."""

    async def asked(subject: Subject) -> float:
        ask = subject.aasks(task)
        await asyncio.gather(*(ask() for _ in range(calls)))
        with _timed(process_time) as spent:
            await asyncio.gather(*(ask() for _ in range(calls)))
        return spent[0] * MICRO

    return _run(bench, asked)


async def _burst(service: Service, ask: Callable[[], Awaitable[Any]], calls: int) -> Sample:
    before = service.connections()
    with _timed(perf_counter) as spent:
        answers = await asyncio.gather(*(ask() for _ in range(calls)), return_exceptions=True)
    return _seen(service, spent[0], before, answers)


def threads(bench: Bench, task: Task, calls: int, workers: int) -> Sample:
    """Calls by a pool of threads, by a client that has none of its connections yet, in milliseconds."""
    with _subject(bench) as subject, ThreadPoolExecutor(workers) as pool:
        ask = subject.asks(task)

        def attempt(_: int) -> Any:
            try:
                return ask()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                return error

        before = bench.service.connections()
        with _timed(perf_counter) as spent:
            answers = list(pool.map(attempt, range(calls)))
        return _seen(bench.service, spent[0], before, answers)


def _seen(service: Service, seconds: float, before: int, answers: list[Any]) -> Sample:
    errors = sum(isinstance(answer, BaseException) for answer in answers)
    return Sample(seconds * MILLI, service.connections() - before, errors)


@contextmanager
def _subject(bench: Bench) -> Iterator[Subject]:
    subject = bench.make(bench.service)
    try:
        yield subject
    finally:
        subject.close()


def _run(bench: Bench, measured: Callable[[Subject], Coroutine[Any, Any, Made]]) -> Made:
    async def made() -> Made:
        subject = bench.make(bench.service)
        try:
            return await measured(subject)
        finally:
            await subject.aclose()

    return asyncio.run(made())


@contextmanager
def _timed(clock: Callable[[], float]) -> Iterator[list[float]]:
    """Time what is done within, in seconds, without the litter of what went before."""
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


def _until_first(ask: Callable[[], Iterator[Any]]) -> float:
    begun = perf_counter()
    pieces = ask()
    next(pieces)
    spent = perf_counter() - begun
    _drain(pieces)
    return spent
