"""One burst of calls against a server of its own, and when each was answered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic, sleep, time
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.goodput.clients import Call
from benchmarks.goodput.server import LATENCY
from benchmarks.speed.service import Service

_straight = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Case:
    """A limit: requests in a window, or at once."""

    kind: str
    limit: int
    seconds: float

    def ideal(self, calls: int, begun: float) -> list[float]:
        """Seconds after which each call could be answered at best, in order."""
        if self.kind == "bucket":
            return [LATENCY + max(0, n + 1 - self.limit) * self.seconds / self.limit for n in range(calls)]
        if self.kind == "capacity":
            return [ceil((n + 1) / self.limit) * self.seconds for n in range(calls)]
        begin = begun // self.seconds * self.seconds if self.kind == "fixed" else begun
        return [LATENCY + max(0.0, begin + n // self.limit * self.seconds - begun) for n in range(calls)]


@dataclass(frozen=True, slots=True)
class Burst:
    """What came of the calls of one client."""

    who: str
    case: Case
    calls: int
    times: list[float]
    """Seconds after which calls were answered, in order."""
    ideal: list[float]
    refused: int

    @property
    def lost(self) -> int:
        """Calls without an answer."""
        return self.calls - len(self.times)

    @property
    def ratio(self) -> float:
        """Time to the last answer, to the ideal."""
        return self.times[-1] / self.ideal[len(self.times) - 1] if self.times else float("nan")


def burst(who: str, make: Callable[[], Call], case: Case, service: Service, calls: int) -> Burst:
    """Make so many calls at once."""
    times: list[float] = []

    async def all_of_them() -> None:
        call = make()
        begun = monotonic()

        async def one() -> None:
            await call()
            times.append(monotonic() - begun)

        await asyncio.gather(*(one() for _ in range(calls)), return_exceptions=True)

    if case.kind == "fixed":  # all begin in the middle of a window, as a burst that falls into two cannot be compared
        sleep((case.seconds / 2 - time()) % case.seconds)
    begun = time()
    asyncio.run(all_of_them())
    with _straight.open(Request(f"http://127.0.0.1:{service.port}/counts", b"")) as answer:
        refused = json.load(answer)["refused"]
    return Burst(who, case, calls, sorted(times), case.ideal(calls, begun), refused)


@contextmanager
def server(case: Case) -> Iterator[Service]:
    """A server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.goodput.server", case.kind, str(case.limit), str(case.seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    try:
        yield Service(int(process.stdout.readline() if process.stdout else 0))
    finally:
        process.communicate(timeout=30)
