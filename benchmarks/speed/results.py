"""The results of a run as files: one page, and its drawings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.speed import report
from benchmarks.speed.growth import Curve, table
from benchmarks.speed.run import Row

_PAGE = """\
# What a call costs

Written by `make bench`: a server that answers as fast as Python can, in a process and on a core of its own, and
everything else on another. What was imported is kept out of the garbage collector's way, as all share one process.
{machine}.

![Ratios](speed.svg)

{ratios}
## As work grows

Microseconds of processor time for one more, the more there are, and the power with which the larger half of them costs:
1.00 is proportional, 2.00 is square.

![Growth](growth.svg)

{growth}
"""


def write(rows: list[Row], curves: list[Curve], folder: Path, tell: Callable[[str], None]) -> None:
    """Write the page, and draw if it can be drawn here."""
    folder.mkdir(parents=True, exist_ok=True)
    growth = "\n\n".join("\n".join(table(curve)) for curve in curves)
    page = _PAGE.format(machine=report.machine(), ratios=report.markdown(rows), growth=growth)
    (folder / "README.md").write_text(page, "utf-8")
    try:
        from benchmarks.speed import plot  # noqa: PLC0415 - matplotlib may be missing
    except ImportError:
        tell("matplotlib is not installed (dependency group bench): nothing is drawn")
        return
    plot.draw_ratios(rows, folder / "speed.svg")
    plot.draw_growth(curves, folder / "growth.svg")
