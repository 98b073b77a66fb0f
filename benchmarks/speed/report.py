"""The figures as Markdown: ratios, each with its goal beside it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from benchmarks.speed.names import ALL
from benchmarks.speed.run import Row

_PACKAGES = (
    "httpx",
    "langchain-core",
    "llama-index-core",
    "langchain-cloudflare",
    "langchain-openai",
    "llama-index-llms-openai-like",
)
_INTRODUCTION = """\
Each figure is a ratio, the median of rounds in which all took turns; less is better. A goal stands beside ours: `≤`
says it is met, and *stretch* that more than the goal is; what is missed is **bold**. `null` is a model that talks to
nobody: what the framework itself costs. `bare` is our transport without a framework. The last column says what 1.00 is.
"""


def ratios(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table of ratios."""
    rows = list(rows)
    who = [name for name in ALL if any(name in row.samples for row in rows)]
    yield f"| | {' | '.join(who)} | 1.00 is |"
    yield "|---|" + "--:|" * len(who) + "---|"
    for row in rows:
        yield f"| {row.title} | {' | '.join(_cell(row, name) for name in who)} | {_unit(row)} |"


def connections(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table of connections that were opened, and of calls that failed."""
    rows = list(rows)
    who = [name for name in ALL if any(name in row.samples for row in rows)]
    yield f"| | {' | '.join(who)} |"
    yield "|---|" + "--:|" * len(who)
    for row in rows:
        yield f"| {row.title} | {' | '.join(_opened(row, name) for name in who)} |"


def markdown(rows: list[Row]) -> str:
    """All of it."""
    parts = [_INTRODUCTION, "\n".join(ratios(rows))]
    if counted := [row for row in rows if any(row.last(who).connections is not None for who in row.samples)]:
        title = "Connections opened, as the server counted them, and calls that failed:"
        parts += [title, "\n".join(connections(counted))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def machine() -> str:
    """Where it was measured."""
    installed = ", ".join(f"{name} {number}" for name in _PACKAGES if (number := _version(name)))
    return f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}; {installed}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cell(row: Row, who: str) -> str:
    if who not in row.samples:
        return ""
    ratio, goal = row.ratio(who), row.goal(who)
    if goal is None:
        return f"{ratio:.2f}"
    if not goal.met(ratio, row.last(who)):
        return f"**{ratio:.2f}, not ≤ {goal.most:.2f}**"
    if goal.hoped is not None and ratio <= goal.hoped:
        return f"{ratio:.2f} ≤ {goal.hoped:.2f} *stretch*"
    return f"{ratio:.2f} ≤ {goal.most:.2f}"


def _unit(row: Row) -> str:
    reference = row.measure.reference
    if isinstance(reference, Mapping):
        floors = [name for name in dict.fromkeys(reference.values()) if name in row.samples]
        return "; ".join(f"{name}: {_figure(row.value(name))} {row.measure.unit}" for name in floors)
    if isinstance(reference, str):
        return f"{reference}: {_figure(row.value(reference))} {row.measure.unit}"
    return f"ideal: {_figure(reference)} {row.measure.unit}"


def _opened(row: Row, who: str) -> str:
    last = row.last(who) if who in row.samples else None
    if last is None or last.connections is None:
        return ""
    return f"{last.connections:,}" + (f", **{last.errors} failed**" if last.errors else "")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits are enough
