"""What a call costs as its work grows a hundredfold, and with which power."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import linear_regression

from benchmarks.speed import clock
from benchmarks.speed.measure import Bench
from benchmarks.speed.names import ALL, ASKING, FRAMED, RAW
from benchmarks.speed.service import Service
from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.task import Task

LONGEST = 2.0
"""Seconds of processor time after which nothing larger is tried."""
_REPEATED = 2_000
"""Smaller work is repeated, up to about so many units of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Work that grows.

    Args:
        name: What it is called on the command line.
        title: What it is called in the results.
        unit: Of what there is more and more.
        sizes: How many of it.
        take: Takes the processor time of all of it, in microseconds.
        who: Subjects by name.
    """

    name: str
    title: str
    unit: str
    sizes: tuple[int, ...]
    take: Callable[[Bench, int], float]
    who: tuple[str, ...] = ALL


@dataclass(slots=True)
class Curve:
    """The times of one growth: of each subject, by size, in microseconds."""

    growth: Growth
    times: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def each(self, who: str) -> dict[int, float]:
        """Microseconds for one of it, by size."""
        return {size: time / size for size, time in self.times[who].items()}

    def exponent(self, who: str) -> float:
        """The power with which the upper half of the sizes costs: 1 is proportional, 2 is square."""
        sizes = sorted(self.times[who])
        upper = sizes[len(sizes) // 2 - 1 :] if len(sizes) > 1 else sizes
        if len(upper) < 2:  # noqa: PLR2004 - a line has two ends
            return math.nan
        return linear_regression(
            [math.log(size) for size in upper], [math.log(self.times[who][s]) for s in upper]
        ).slope


def _repeats(size: int) -> int:
    return max(3, min(100, _REPEATED // size))


def _streamed(bench: Bench, task: Task) -> float:
    return clock.stream_cpu(bench, task) * task.events


_HUNDREDFOLD = (200, 600, 2_000, 6_000, 20_000)

GROWTHS = (
    Growth(
        name="events",
        title="events of a stream",
        unit="event",
        sizes=_HUNDREDFOLD,
        take=lambda bench, size: _streamed(bench, Task(events=size)),
    ),
    Growth(
        name="json",
        title="events of a stream that is one nested JSON text",
        unit="event",
        sizes=_HUNDREDFOLD,
        take=lambda bench, size: _streamed(bench, Task(kind="json", events=size)),
    ),
    Growth(
        name="messages",
        title="messages of a conversation",
        unit="message",
        sizes=(8, 24, 80, 240, 800),
        take=lambda bench, size: clock.cpu(bench, Task(turns=size), _repeats(size)),
    ),
    Growth(
        name="tools",
        title="tools that are offered",
        unit="tool",
        sizes=(1, 3, 10, 30, 100),
        take=lambda bench, size: clock.cpu(bench, Task(tools=size), _repeats(size)),
        who=(RAW, *FRAMED),
    ),
    Growth(
        name="concurrent",
        title="async calls at once, 100 ms",
        unit="call",
        sizes=(10, 30, 100, 300, 1_000),
        take=lambda bench, size: clock.burst_cpu(bench, Task(latency=100), size),
        who=ASKING,
    ),
)


def grow(growth: Growth, subjects: Iterable[type[Subject]], service: Service, tell: Callable[[str], None]) -> Curve:
    """Take a sample of each size; who has become too slow sits the larger ones out."""
    curve = Curve(growth)
    benches = {subject.name: Bench(service, subject) for subject in subjects if subject.name in growth.who}
    for size in growth.sizes:
        for name, bench in benches.items():
            if not any(time > LONGEST * clock.MICRO for time in curve.times[name].values()):
                tell(f"{growth.title}: {name}, {size:,}")
                curve.times[name][size] = growth.take(bench, size)
    return curve


def table(curve: Curve) -> Iterator[str]:
    """Yield the lines of a table: microseconds for one of it, and the power."""
    growth = curve.growth
    yield f"| {growth.title} | {' | '.join(f'{size:,}' for size in growth.sizes)} | power |"
    yield "|---|" + "--:|" * (len(growth.sizes) + 1)
    for who, times in curve.times.items():
        cells = (f"{times[size] / size:,.1f}" if size in times else "too slow" for size in growth.sizes)
        yield f"| {who} | {' | '.join(cells)} | {curve.exponent(who):.2f} |"
