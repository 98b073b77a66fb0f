"""What a measure is, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.speed.names import ALL, RAW
from benchmarks.speed.service import Service
from benchmarks.speed.subjects.base import Subject


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure, and what else was seen: connections that were opened, and calls that failed."""

    value: float
    connections: int | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """Makes subjects of one kind before one server."""

    service: Service
    make: type[Subject]


@dataclass(frozen=True, slots=True)
class Goal:
    """The most that a ratio may be, and the most that was hoped for.

    Args:
        most: The goal.
        hoped: Beyond it.
        over: Whose ratio comes on top of both.
        connections: The most that may be opened.
    """

    most: float
    hoped: float | None = None
    over: str | None = None
    connections: int | None = None

    def met(self, ratio: float, sample: Sample) -> bool:
        """Whether it is reached; never where calls failed."""
        too_many = self.connections is not None and (sample.connections or 0) > self.connections
        return ratio <= self.most and not sample.errors and not too_many


Take: TypeAlias = Callable[[Bench], Mapping[str, Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to measure.

    Args:
        name: What it is called on the command line.
        title: What it is called in the results.
        unit: Of the figures.
        take: Takes one sample of a subject: a row of the results for each name in it.
        who: Subjects by name.
        reference: Whom ratios are to, for all or for each, or a figure in `unit` that is ideal.
        goals: By row, by subject.
        rounds: Samples of each subject.
    """

    name: str
    title: str
    unit: str
    take: Take
    who: tuple[str, ...] = ALL
    reference: str | float | Mapping[str, str] = RAW
    goals: Mapping[str, Mapping[str, Goal]] = field(default_factory=dict)
    rounds: int = 3
