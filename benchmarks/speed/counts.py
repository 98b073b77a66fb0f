"""What a call costs, counted in calls of functions: unlike time, it is the same on each machine and in each run.

Counted is what ours adds to what its framework does for the same question. `python -m benchmarks.speed.counts` prints
the bounds that stand in `tests/benchmarks/test_cost.py`, a tenth above the counts. Put new ones there when something
became cheaper, so that it stays cheap.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal

from benchmarks.speed.names import BARE, FRAMEWORKS, LC, LI
from benchmarks.speed.service import Service, service
from benchmarks.speed.subjects.available import available
from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.task import Task

Mode = Literal["sync", "async"]
Key = tuple[str, str, Mode]

MODES: tuple[Mode, ...] = ("sync", "async")
WHO = (BARE, LC, LI)
TASKS = {
    "chat": Task(),
    "50 messages": Task(turns=50),
    "20 tools": Task(tools=20),
    "two calls": Task(kind="calls", tools=2),
}
EVENT = "event"

_STREAM = Task(events=500)

_ROOM = 1.1
_TRIES = 2  # bytes may come in more pieces than they could
_SUBJECTS = {subject.name: subject for subject in available(peers=False, tell=print)}


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts calls of functions in what ours does."""

    service: Service

    def call(self, who: str, what: str, mode: Mode) -> int:
        """What one call adds."""
        return self.added(who, TASKS[what], mode)

    def event(self, who: str, mode: Mode, task: Task = _STREAM) -> float:
        """What one event of a stream adds, on average over the later nine tenths of them."""
        early = task.events // 10
        more, less = (
            self.added(who, replace(task, events=events), mode, streamed=True) for events in (task.events, early)
        )
        return (more - less) / (task.events - early)

    def added(self, who: str, task: Task, mode: Mode = "sync", *, streamed: bool = False) -> int:
        """What ours does beyond what its framework does without tools, for which ours need not do the same."""
        counted = self._counted(who, task, mode, streamed=streamed)
        if who not in FRAMEWORKS:
            return counted
        return counted - self._counted(FRAMEWORKS[who], replace(task, tools=0), mode, streamed=streamed)

    def _counted(self, who: str, task: Task, mode: Mode, *, streamed: bool) -> int:
        subject = _SUBJECTS[who](self.service)
        try:
            count = _count if mode == "sync" else _acount
            return min([count(subject, task, streamed) for _ in range(_TRIES)])
        finally:
            subject.close()


def _count(subject: Subject, task: Task, streamed: bool) -> int:
    ask: Callable[[], Any] = subject.streams(task) if streamed else subject.asks(task)
    for _ in range(2):  # the first warms up
        with _counting() as profile:
            answer = ask()
            for _piece in answer if streamed else ():
                pass
    return _calls(profile)


def _acount(subject: Subject, task: Task, streamed: bool) -> int:
    async def counted() -> int:
        ask: Callable[[], Any] = subject.astreams(task) if streamed else subject.aasks(task)
        for _ in range(2):  # the first warms up
            with _counting() as profile:
                answer = ask()
                if streamed:
                    async for _piece in answer:
                        pass
                else:
                    await answer
        return _calls(profile)

    return asyncio.run(counted())


@contextmanager
def _counting() -> Iterator[cProfile.Profile]:
    """Count the calls of Python's functions and of its own; nobody's litter is taken out meanwhile."""
    profile = cProfile.Profile()
    gc.disable()
    profile.enable()
    try:
        yield profile
    finally:
        profile.disable()
        gc.enable()


def _calls(profile: cProfile.Profile) -> int:
    return sum(entry.callcount for entry in profile.getstats())


def bounds(counts: Counts) -> Iterator[tuple[Key, float]]:
    """What the bounds would be today."""
    for mode in MODES:
        for who in WHO:
            for what in TASKS:
                yield (what, who, mode), ceil(counts.call(who, what, mode) * _ROOM)
            yield (EVENT, who, mode), round(counts.event(who, mode) * _ROOM, 1)


def main() -> None:
    """Print the bounds."""
    with service() as running:
        print("BOUNDS = {")
        for (what, who, mode), bound in bounds(Counts(running)):
            print(f'    ("{what}", "{who}", "{mode}"): {bound},')
        print("}")


if __name__ == "__main__":
    main()
