"""The figures in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.speed.run import Row, order


def markdown(rows: Iterable[Row]) -> str:
    """A table for each measure."""
    return "\n\n".join("\n".join(_table(row)) for row in rows)


def write(rows: list[Row], folder: Path) -> None:
    """Keep it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.md").write_text(markdown(rows) + "\n")


def _table(row: Row) -> Iterator[str]:
    reference = row.measure.reference
    whose = reference if isinstance(reference, str) else f"the ideal of {reference:.0f} {row.measure.unit}"
    yield f"### {row.title}\n"
    yield f"| who | \u00d7 {whose} | {row.measure.unit} | goal | hoped for | |"
    yield "|---|---|---|---|---|---|"
    for who in order(row.samples):
        yield f"| {who} | {row.ratio(who):.2f} | {row.value(who):,.1f} | {_goal(row, who)} | {row.note(who)} |"


def _goal(row: Row, who: str) -> str:
    goal = row.goal(who)
    if goal is None:
        return " | "
    met = "met" if row.ratio(who) <= goal.most else "**missed**"
    return f"≤ {goal.most:.2f} {met} | {'' if goal.hoped is None else f'≤ {goal.hoped:.2f}'}"
