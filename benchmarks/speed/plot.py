"""The figures as drawings, if matplotlib is installed."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl

from benchmarks.speed.growth import Curve
from benchmarks.speed.names import ALL, BARE, CLOUDFLARE, LC, LI, NULL_LC, NULL_LI, OPENAI, OPENAI_LIKE, RAW
from benchmarks.speed.run import Row

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "cf-llama", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

_LOOKS: dict[str, tuple[str, str]] = {
    RAW: ("black", "|"),
    NULL_LC: ("#9ecae1", "v"),
    NULL_LI: ("#fdbe85", "v"),
    BARE: ("#666666", "o"),
    LC: ("#1f77b4", "o"),
    LI: ("#e6550d", "o"),
    CLOUDFLARE: ("#756bb1", "s"),
    OPENAI: ("#31a354", "s"),
    OPENAI_LIKE: ("#d62728", "s"),
}
_ROW, _PANEL = 0.3, 3.2
"""Inches."""


def draw_ratios(rows: list[Row], path: Path) -> None:
    """A line for each measure, a mark for each subject, and a ring around each goal."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(10, 1.8 + _ROW * len(rows)), layout="constrained")
    for height, row in enumerate(reversed(rows)):
        axes.axhline(height, color="#eeeeee", zorder=0)
        for who in row.samples:
            colour, marker = _LOOKS[who]
            axes.scatter(row.ratio(who), height, color=colour, marker=marker, s=36, zorder=3)
            if goal := row.goal(who):
                axes.scatter(goal.most, height, edgecolors=colour, facecolors="none", marker="o", s=110, zorder=2)
    axes.axvline(1, color="black", linewidth=0.6)
    axes.set(xscale="log", xlabel="ratio to raw httpx, to the ideal or to the framework alone; less is better")
    axes.set_yticks(range(len(rows)), [row.title for row in reversed(rows)])
    _legend(figure, [name for name in ALL if any(name in row.samples for row in rows)])
    _save(figure, path)


def draw_growth(curves: list[Curve], path: Path) -> None:
    """A panel for each growth: what one more costs, the more there are."""
    plt = _pyplot()
    figure, panels = plt.subplots(
        1, len(curves), figsize=(_PANEL * len(curves), 4), layout="constrained", squeeze=False
    )
    for axes, curve in zip(panels[0], curves, strict=True):
        for who in curve.times:
            each, (colour, marker) = curve.each(who), _LOOKS[who]
            axes.plot(list(each), list(each.values()), color=colour, marker=marker, markersize=4)
        axes.set(
            xscale="log", yscale="log", xlabel=f"{curve.growth.unit}s", ylabel=f"µs of CPU per {curve.growth.unit}"
        )
        axes.set_title(fill(curve.growth.title, 30), fontsize=9)
    _legend(figure, [name for name in ALL if any(name in curve.times for curve in curves)])
    _save(figure, path)


def _pyplot() -> Any:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - it chooses its backend when it is imported

    return plt


def _legend(figure: Any, names: list[str]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - with its sibling above

    marks = [Line2D([], [], linestyle="", color=_LOOKS[name][0], marker=_LOOKS[name][1]) for name in names]
    figure.legend(marks, names, loc="outside upper center", ncols=5, frameon=False, fontsize=8)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
