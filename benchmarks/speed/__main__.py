"""Measure what a call costs. Run it as `make bench`, or `python -m benchmarks.speed --only chat-sync --quick`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.speed import report
from benchmarks.speed.affinity import stay_on
from benchmarks.speed.measures import MEASURES
from benchmarks.speed.run import Row, take
from benchmarks.speed.service import service
from benchmarks.speed.subjects.available import available

QUICK_ROUNDS = 2


def main() -> None:
    """Run what was asked for, and print or keep the figures."""
    names = [measure.name for measure in MEASURES]
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    options.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, and no peers")
    options.add_argument("--results", type=Path, help="write the results into this folder")
    asked = options.parse_args()
    console = Console(stderr=True)
    rows: list[Row] = []
    subjects = available(peers=not asked.quick, tell=console.print)
    with service() as running, console.status("") as status:
        stay_on(0)
        for measure in (measure for measure in MEASURES if measure.name in asked.only):
            rounds = min(measure.rounds, QUICK_ROUNDS) if asked.quick else measure.rounds
            rows += take(measure, subjects, running, rounds, status.update)
            console.print(f"{measure.name} done")
    print(report.markdown(rows))
    if asked.results:
        report.write(rows, asked.results)


if __name__ == "__main__":
    main()
