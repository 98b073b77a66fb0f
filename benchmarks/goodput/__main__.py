"""Measure how soon calls are answered under a limit. Run it as `make goodput`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.goodput import report
from benchmarks.goodput.clients import clients
from benchmarks.goodput.run import Burst, Case, burst, server
from cf_llama import RateLimit, forget_limits

KINDS = ("sliding", "fixed", "bucket", "capacity")


def main() -> None:
    """Run what was asked for, and print or keep the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=500, help="calls at once")
    options.add_argument("--limit", type=int, default=100, help="requests in a window")
    options.add_argument("--seconds", type=float, default=6.0, help="length of the window")
    options.add_argument("--capacity", type=int, default=50, help="requests at once, of 0.5 seconds each")
    options.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    options.add_argument("--quick", action="store_true", help="ours alone")
    options.add_argument("--results", type=Path, help="write the results into this folder")
    asked = options.parse_args()
    console, bursts = Console(stderr=True), list[Burst]()
    for kind in asked.only:
        is_rate = kind != "capacity"
        case = Case(kind, asked.limit, asked.seconds) if is_rate else Case(kind, asked.capacity, 0.5)
        bursts += _all(case, asked.calls, console, quick=asked.quick)
    print("\n".join(report.table(bursts)))
    if asked.results:
        report.write(bursts, asked.results)


def _all(case: Case, calls: int, console: Console, *, quick: bool) -> list[Burst]:
    """One burst of each client, each against a server of its own."""
    bursts: list[Burst] = []
    limit = None if case.kind == "capacity" else RateLimit(case.limit, case.seconds)
    with server(case) as probe:
        names = [who for who, _ in clients(probe, limit) if not quick or who.startswith("cf-llama")]
    for who in names:
        with console.status(f"{report.title(case)}: {who}"), server(case) as service:
            forget_limits()
            make = dict(clients(service, limit))[who]
            try:
                bursts.append(burst(who, make, case, service, calls))
            except ImportError as error:
                console.print(f"left out, as {error.name} is not installed (dependency group bench): {who}")
                continue
        console.print(f"{report.title(case)}: {who}, {bursts[-1].lost} lost")
    return bursts


if __name__ == "__main__":
    main()
