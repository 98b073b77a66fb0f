"""The command `batch`: a file of requests through the batch queue, into a file of answers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Self

import click
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from cf_llama.batch import job
from cf_llama.batch.job import Job
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.payloads import Item
from cf_llama.cli import rows as cli_rows
from cf_llama.cli.errors import as_messages
from cf_llama.cli.options import WORDS, make_settings, parse_assignments
from cf_llama.cli.waiting import LimitNotice, LookUp
from cf_llama.config.setting_names import unknown_setting
from cf_llama.config.settings import Settings
from cf_llama.protocol import model, tokens
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.transport.transport import Transport

_TIME = len("0:00:00")
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Ask every row of a file, in batches.")
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", metavar="OUT", type=FILE)
@click.option(
    "--prompt",
    type=WORDS,
    metavar="TEMPLATE",
    help="What to ask of each row, its fields in braces: 'Translate {text}' ({{ and }} for braces).",
)
@click.option("--system", type=WORDS, metavar="TEXT", help="The system message before each prompt.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. temperature=0.")
@click.option(
    "--batch", "options", multiple=True, metavar="NAME=VALUE", help="Any option of batches, e.g. max_items=20."
)
@click.option("--attempts", default=3, show_default=True, type=click.IntRange(min=1), help="How often a row is asked.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and send nothing.")
def batch(
    *,
    source: Path,
    target: Path,
    prompt: str | None,
    system: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    attempts: int,
    dry_run: bool,
) -> None:
    """Ask every row of IN (JSONL, or CSV by its name) and write OUT (JSONL), one line for each row in its order.

    A row has `messages` or a `prompt`, or whatever fields --prompt names; `reference`, if it has one, is kept.
    What has been done stands in OUT.journal: stopped or killed, the same command goes on from there.
    """
    try:
        with as_messages():
            chosen = make_settings(settings)
            how = _batch_options(options)
            items = cli_rows.read(source, prompt, system, chosen)
            if dry_run:
                click.echo(_price(items, chosen))
                return
            transport = Transport(chosen.connection(), chosen.http_client)
            journal = Path(f"{target}.journal")
            if target.exists() and not journal.exists():
                raise click.ClickException(f"{target} exists, and no {journal.name} to go on from: choose another OUT")
            with Job.open(journal, attempts=attempts) as scheduler:
                _begin(scheduler, items, target)
                with ProgressBar(Console(stderr=True), partial(transport.limits, chosen.model)) as bar:
                    scheduler.run(transport, how, bar)
                _write(target, scheduler.results())
                click.echo(_describe(scheduler.journal.progress))
    except KeyboardInterrupt:
        raise click.ClickException("stopped; what is done is kept, the same command goes on from there") from None
    except ValidationError as error:
        raise click.ClickException("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from None


def _batch_options(assignments: Iterable[str]) -> BatchOptions:
    options, known = parse_assignments(assignments), [option.name for option in fields(BatchOptions)]
    if unknown := sorted(options.keys() - set(known)):
        raise click.UsageError("; ".join(f"--batch {unknown_setting(name, known)}" for name in unknown))
    return BatchOptions(**options)


class ProgressBar:
    """The progress of a job in a terminal: rows done and failed, tokens, cost so far and time left."""

    def __init__(self, console: Console, limits: LookUp) -> None:
        """Draw on `console`; `limits` says whether a batch waits for the account's limit."""
        left = TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=_TIME))
        columns = (BarColumn(bar_width=20), _StatusColumn(limits), left)
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None, status="")

    def __call__(self, progress: job.Progress) -> None:
        """Show how far the job is."""
        done = progress.answered + progress.failed
        self._progress.update(self._task, total=progress.rows, completed=done, status=_describe(progress))

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends as Ctrl-C does
        self._progress.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._progress.disable:  # before rich 14, stopping a disabled one prints an empty line
            self._progress.stop()


class _StatusColumn(ProgressColumn):
    """How far the job is, and whether a batch waits for the account's limit; it breaks in a narrow terminal."""

    def __init__(self, limits: LookUp) -> None:
        super().__init__(Column())
        self._notice = LimitNotice(limits)

    def render(self, task: Task) -> Text:
        """What to draw now."""
        return Text(", ".join(filter(None, (task.fields["status"], self._notice.text()))))


def _describe(progress: job.Progress) -> str:
    parts = [f"{progress.answered + progress.failed:,} of {progress.rows:,} rows", f"{progress.failed:,} failed"]
    parts += [f"{progress.doubtful:,} doubtful"] if progress.doubtful else []
    return ", ".join([*parts, f"{progress.usage.total_tokens:,} tokens", f"${progress.usage.cost:.4f}"])


def _begin(scheduler: Job, items: Iterable[Item], target: Path) -> None:
    """Put the rows of IN into the journal, which may hold some of them and nothing else."""
    numbers, begun = count(), scheduler.journal.progress.rows > 0
    try:
        scheduler.add(item for item, _ in zip(items, numbers, strict=False))
    except InvalidRequestError as error:
        hint = f"; remove {target}.journal, or choose another OUT" if begun else ""
        raise click.ClickException(f"{error}{hint}") from None
    if (added := next(numbers)) > (stored := scheduler.journal.progress.rows):
        raise click.ClickException("a reference comes twice, with the same request")
    if added < stored:
        raise click.ClickException(f"{target}.journal has rows that IN has not: remove it, or choose another OUT")


def _price(items: Iterable[Item], settings: Settings) -> str:
    rows = prompt_tokens = 0
    for item in items:
        rows += 1
        prompt_tokens += tokens.count_messages(item.request.messages or ())
    most = rows * settings.max_tokens
    kind = "" if tokens.is_exact() else " (an estimate)"
    return (
        f"{rows:,} rows, {prompt_tokens:,} tokens in{kind}: ${model.cost(prompt_tokens, 0):.4f}\n"
        f"at most {settings.max_tokens:,} tokens out for each: up to ${model.cost(0, most):.4f} more"
    )


def _write(target: Path, results: Iterable[Mapping[str, Any]]) -> None:
    """Write all, or leave what is there."""
    beside = target.with_name(f"{target.name}.part")
    with beside.open("w", encoding="utf-8") as file:
        for result in results:
            file.write(json.dumps(result, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)
