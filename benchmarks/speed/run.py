"""The run: in each round each subject has its turn, so that what else the machine does strikes them alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.speed.measure import Bench, Goal, Measure, Sample
from benchmarks.speed.service import Service
from benchmarks.speed.subjects.base import Subject

SLOW = 5000.0
"""Milliseconds after which a burst is not taken twice."""


@dataclass(slots=True)
class Row:
    """The figures of one measure in one respect."""

    measure: Measure
    respect: str
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    @property
    def title(self) -> str:
        """What was measured."""
        return f"{self.measure.title}, {self.respect}" if self.respect else self.measure.title

    def value(self, who: str) -> float:
        """The median."""
        return median(sample.value for sample in self.samples[who])

    def ratio(self, who: str) -> float:
        """The median over the reference of the same run."""
        reference = self.measure.reference
        if isinstance(reference, Mapping):
            reference = reference.get(who, who)
        return self.value(who) / (self.value(reference) if isinstance(reference, str) else reference)

    def goal(self, who: str) -> Goal | None:
        """The goal, with what comes on top of it."""
        goal = self.measure.goals.get(self.respect, {}).get(who)
        if goal is None or goal.over is None:
            return goal
        floor = self.ratio(goal.over)
        return replace(
            goal, most=goal.most + floor, hoped=None if goal.hoped is None else goal.hoped + floor, over=None
        )

    def last(self, who: str) -> Sample:
        """The last sample."""
        return self.samples[who][-1]


def take(
    measure: Measure,
    subjects: Iterable[type[Subject]],
    service: Service,
    rounds: int,
    tell: Callable[[str], None],
) -> list[Row]:
    """Take all samples of one measure."""
    rows: dict[str, Row] = {}
    benches = {subject.name: Bench(service, subject) for subject in subjects if subject.name in measure.who}
    for number in range(rounds):
        for name, bench in benches.items():
            if number and measure.unit == "ms" and any(row.value(name) > SLOW for row in rows.values()):
                continue
            tell(f"{measure.title}: {name}, round {number + 1} of {rounds}")
            for respect, sample in measure.take(bench).items():
                rows.setdefault(respect, Row(measure, respect)).samples[name].append(sample)
    return list(rows.values())
