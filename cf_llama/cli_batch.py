"""The command `batch`: a file of questions through the batch queue, into a file of answers."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import click
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cf_llama import job, model, tokens
from cf_llama.batch_options import BatchOptions
from cf_llama.batch_wire import Item
from cf_llama.errors import WorkersAIError
from cf_llama.job import Job
from cf_llama.request import ChatRequest
from cf_llama.settings import Settings
from cf_llama.transport import Transport

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Ask every row of a file, in batches.")
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", metavar="OUT", type=FILE)
@click.option("--prompt", metavar="TEMPLATE", help="What to ask of each row, its fields in braces: 'Translate {text}'.")
@click.option("--system", metavar="TEXT", help="The system message before each prompt.")
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
        chosen = Settings().for_call(_assigned(settings))
        how = BatchOptions(**_assigned(options))
        items = _items(source, prompt, system, chosen)
        if dry_run:
            click.echo(_price(items, chosen))
            return
        transport = Transport(chosen.connection(), chosen.http_client)
        with Job.open(f"{target}.journal", attempts=attempts) as work:
            _check_same(
                work, {"prompt": prompt, "system": system, "settings": json.loads(json.dumps(chosen.request_fields()))}
            )
            work.add(items)
            with Bar(Console(stderr=True)) as bar:
                work.run(transport, how, bar)
            _write(target, work.results())
            click.echo(_told(work.journal.progress))
    except KeyboardInterrupt:
        raise click.ClickException("stopped; what is done is kept, the same command goes on from there") from None
    except ValidationError as error:
        raise click.ClickException("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from None
    except (WorkersAIError, OSError) as error:
        raise click.ClickException(str(error)) from error


class Bar:
    """The progress of a job in a terminal: rows done and failed, tokens, cost so far and time left."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        told = TextColumn("{task.fields[told]}")
        self._progress = Progress(BarColumn(), told, TimeRemainingColumn(), console=console)
        self._task = self._progress.add_task("", total=None, told="")

    def __call__(self, progress: job.Progress) -> None:
        """Show how far the job is."""
        done = progress.answered + progress.failed
        self._progress.update(self._task, total=progress.rows, completed=done, told=_told(progress))

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends as Ctrl-C does
        self._progress.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._progress.stop()


def _told(progress: job.Progress) -> str:
    parts = [f"{progress.answered + progress.failed:,} of {progress.rows:,} rows", f"{progress.failed:,} failed"]
    parts += [f"{progress.doubtful:,} doubtful"] if progress.doubtful else []
    return ", ".join([*parts, f"{progress.usage.total_tokens:,} tokens", f"${progress.usage.cost:.4f}"])


def _assigned(texts: Iterable[str]) -> dict[str, Any]:
    """The values of `name=value`, read as JSON where they are JSON."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.ClickException(f"{text!r} must be NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _items(source: Path, prompt: str | None, system: str | None, settings: Settings) -> Iterator[Item]:
    for number, row in enumerate(_rows(source), start=1):
        try:
            yield Item(str(row.get("reference") or number), _request(row, prompt, system, settings))
        except (WorkersAIError, KeyError, ValueError, TypeError) as error:
            reason = f"there is no field {error}" if isinstance(error, KeyError) else str(error)
            raise click.ClickException(f"{source.name}, row {number}: {reason}") from None


def _rows(source: Path) -> Iterator[Mapping[str, Any]]:
    with source.open(encoding="utf-8-sig", newline="") as file:
        if source.suffix.lower() == ".csv":
            yield from csv.DictReader(file)
            return
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise click.ClickException(f"{source.name}, line {number} is no JSON: {error}") from None
            if not isinstance(row, dict):
                raise click.ClickException(f"{source.name}, line {number} must be an object")
            yield row


def _request(row: Mapping[str, Any], prompt: str | None, system: str | None, settings: Settings) -> ChatRequest:
    if prompt is None and "messages" in row:
        turns = list(row["messages"])
    else:
        turns = [{"role": "user", "content": row["prompt"] if prompt is None else prompt.format_map(row)}]
    turns = [{"role": "system", "content": system}, *turns] if system else turns
    return ChatRequest(messages=turns, **settings.request_fields())


def _check_same(work: Job, question: Mapping[str, Any]) -> None:
    """Refuse to go on with other words or settings: half of the rows would have been asked something else."""
    if work.journal.progress.rows and work.journal.fact("question", None) != question:
        raise click.ClickException(
            "OUT.journal was begun with another prompt or setting; remove it, or choose another OUT"
        )
    work.journal.note("question", question)


def _price(items: Iterable[Item], settings: Settings) -> str:
    rows = given = 0
    for item in items:
        rows += 1
        given += tokens.count_messages(item.request.messages or ())
    most = rows * settings.max_tokens
    kind = "" if tokens.is_exact() else " (an estimate)"
    return (
        f"{rows:,} rows, {given:,} tokens in{kind}: ${model.cost(given, 0):.4f}\n"
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
