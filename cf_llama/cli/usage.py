"""The command `usage`: what recorded calls have cost, by day."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from cf_llama.cli.errors import as_messages
from cf_llama.cli.usage_file import Entry, UsageFile
from cf_llama.config.budget import NEURONS_PER_USD

_HOW_TO_BEGIN = (
    "Nothing is recorded. To begin, name a file, which may end in .db for SQLite:\n"
    "    export CF_LLAMA_USAGE=~/cf-llama-usage.jsonl\n"
    "From then on ask, chat and doctor add an entry for each call."
)
_TITLES = ("day (UTC)", "host", "calls", "tokens in", "out", "neurons", "cost")
_TEXT_COLUMNS = 2  # the others are numbers, and stand on the right
_LONGEST_HOST = 24


@click.command(short_help="Show what calls from here have cost.")
@click.option(
    "--usage-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CF_LLAMA_USAGE",
    show_envvar=True,
    help="File of the record: JSON Lines, or SQLite if it ends in .db, .sqlite or .sqlite3.",
)
@click.option("--json", "as_json", is_flag=True, help="Print an object with days and total.")
def usage(*, usage_file: Path | None, as_json: bool) -> None:
    """Show what the calls of ask, chat and doctor have cost, by day, if they are recorded.

    They are recorded once CF_LLAMA_USAGE, or --usage-file of a command, names a file. Costs are those of the published
    price; free allocations are not known here, and calls of an emulator cost nothing.
    """
    if usage_file is None:
        click.echo(json.dumps({"days": [], "total": asdict(Sum("", ""))}) if as_json else _HOW_TO_BEGIN)
        return
    with as_messages():
        entries = list(UsageFile(usage_file).entries())
    days, total = by_day(entries)
    if as_json:
        click.echo(json.dumps({"days": [asdict(day) for day in days], "total": asdict(total)}))
    elif days:
        click.echo(table(days, total))
    else:
        click.echo(f"Nothing is recorded yet in {usage_file}.")


@dataclass(slots=True)
class Sum:
    """What the calls of a day to a host have cost."""

    day: str
    """As in 2026-11-27, in UTC."""
    host: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    neurons: float = 0.0
    """Estimated by the cost of calls for which the service reported none, as for streams."""
    cost_usd: float = 0.0
    """US dollars, of the calls to models whose price is known."""

    def add(self, entry: Entry) -> None:
        """Add a call."""
        self.calls += 1
        self.prompt_tokens += entry.prompt_tokens
        self.completion_tokens += entry.completion_tokens
        cost = entry.cost_usd or 0.0
        self.neurons += cost * NEURONS_PER_USD if entry.neurons is None else entry.neurons
        self.cost_usd += cost


def by_day(entries: Iterable[Entry]) -> tuple[list[Sum], Sum]:
    """A sum for each day and host, the oldest first, and the sum of all."""
    sums: dict[tuple[str, str], Sum] = {}
    total = Sum("total", "")
    for entry in entries:
        key = (entry.time.partition("T")[0], entry.host)
        sums.setdefault(key, Sum(*key)).add(entry)
        total.add(entry)
    return [sums[key] for key in sorted(sums)], total


def table(days: Iterable[Sum], total: Sum) -> str:
    """The sums as lines of text."""
    rows = [_TITLES, *map(_row, days), _row(total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if place < _TEXT_COLUMNS else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(each: Sum) -> tuple[str, ...]:
    host = each.host if len(each.host) <= _LONGEST_HOST else f"{each.host[: _LONGEST_HOST - 1]}…"
    return (
        each.day,
        host,
        f"{each.calls:,}",
        f"{each.prompt_tokens:,}",
        f"{each.completion_tokens:,}",
        f"{each.neurons:,.1f}",
        f"${each.cost_usd:,.6f}",
    )
