"""Measure what a call costs. Run it as `make bench`, or `python -m benchmarks.speed --only chat-sync --quick`."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from rich.console import Console

from benchmarks.speed import report, results
from benchmarks.speed.affinity import stay_on
from benchmarks.speed.growth import GROWTHS, Curve, grow, table
from benchmarks.speed.measures import MEASURES
from benchmarks.speed.run import Row, take
from benchmarks.speed.service import service
from benchmarks.speed.subjects.available import available

QUICK_ROUNDS = 2


def main() -> None:
    """Run what was asked for, and print or keep the figures."""
    names = [entry.name for entry in (*MEASURES, *GROWTHS)]
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    options.add_argument("--quick", action="store_true", help=f"at most {QUICK_ROUNDS} rounds, and no peers")
    options.add_argument("--results", type=Path, help="write the results into this folder")
    asked = options.parse_args()
    console = Console(stderr=True)
    subjects = available(peers=not asked.quick, tell=console.print)
    rows: list[Row] = []
    curves: list[Curve] = []
    # All subjects share a heap that is several times a user's: what was imported need not be walked again and again.
    gc.freeze()
    with service() as running, console.status("") as status:
        stay_on(0)
        for measure in (measure for measure in MEASURES if measure.name in asked.only):
            rounds = min(measure.rounds, QUICK_ROUNDS) if asked.quick else measure.rounds
            rows += take(measure, subjects, running, rounds, status.update)
            console.print(f"measured {measure.title}")
        for growth in (growth for growth in GROWTHS if growth.name in asked.only):
            curves.append(grow(growth, subjects, running, status.update))
            console.print(f"measured more and more {growth.title}")
    print(report.markdown(rows), *("\n".join(table(curve)) for curve in curves), sep="\n\n")
    if asked.results:
        results.write(rows, curves, asked.results, console.print)


if __name__ == "__main__":
    main()
