"""The command `verify`: whether a service behaves as the reader and the emulator assume."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cf_llama.config.connection import Connection
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.verify.client import Client
from cf_llama.verify.experiment import Experiment, Outcome
from cf_llama.verify.experiments import EXPERIMENTS, QUEUE, gateway_experiments
from cf_llama.verify.profile import read_profile
from cf_llama.verify.report import Report
from cf_llama.verify.runner import estimate, run_experiments
from cf_llama_emulator.cassettes import Recorder, RecorderTransport

FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
NOT_ASKED = 2
"""Exit code if the service could not be asked."""
_COLOURS = {Outcome.AS_EXPECTED: "green", Outcome.DIFFERS: "red", Outcome.NOT_TESTABLE: "yellow"}


class CannotAskError(click.ClickException):
    """The service could not be asked."""

    exit_code = NOT_ASKED


@click.command(short_help="Test what is assumed about the service.")
@click.option("--base-url", metavar="URL", help="Service to ask; ends in /client/v4.  [default: Cloudflare's API]")
@click.option("--yes", is_flag=True, help="Ask without confirming the estimated price.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this experiment alone; repeatable.")
@click.option("--queue", is_flag=True, help="Test the batch queue too, which takes some minutes.")
@click.option("--gateway", metavar="ID", help="Test this AI Gateway too; `default` is created at first use.")
@click.option("--markdown", type=FILE, help="Write the report to this file as Markdown.")
@click.option("--json", "json_file", type=FILE, help="Write the report to this file as JSON.")
@click.option("--cassette", type=FILE, help="Record every request and answer into this file, without secrets.")
@click.option("--apply", "profile", type=FILE, help="Write what differs as a profile for `cf-llama serve --profile`.")
@click.pass_context
def verify(
    context: click.Context,
    *,
    base_url: str | None,
    yes: bool,
    only: tuple[str, ...],
    queue: bool,
    gateway: str | None,
    markdown: Path | None,
    json_file: Path | None,
    cassette: Path | None,
    profile: Path | None,
) -> None:
    """Ask the service whether it behaves as cf-llama and its emulator assume, for less than a cent.

    Account and token come from the environment: CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN. Neither is printed
    or written. `cf-llama serve --cassette FILE` replays what --cassette has recorded. The exit code is 0 if all is as
    expected, 1 if something differs, and 2 if something could not be tested.
    """
    experiments = _chosen(only, queue=queue, gateway=gateway)
    connection = _connection(base_url)
    _check_writable((markdown, json_file, profile))
    requests, tokens_in, tokens_out, dollars = estimate(experiments)
    click.echo(
        f"{len(experiments)} experiments, {requests} requests to {connection.host}: about {tokens_in:,} tokens in and "
        f"at most {tokens_out:,} out, up to ${dollars:.4f}"
    )
    if not (yes or _confirmed()):
        context.exit(NOT_ASKED)
    report = _run(experiments, connection, cassette)
    Console().print(_table(report))
    click.echo(report.summary)
    if report.switches:
        click.echo(f"the emulator does the same with --fault {' --fault '.join(report.switches)}")
    _write({markdown: report.markdown(), json_file: report.json(), profile: report.profile()})
    context.exit(report.exit_code)


def faults_of_profile(path: Path | None) -> tuple[str, ...]:
    """Return the faults of a profile; none without one.

    Raises:
        ClickException: it cannot be read.
    """
    try:
        return read_profile(path) if path else ()
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _chosen(only: Sequence[str], *, queue: bool, gateway: str | None) -> list[Experiment]:
    try:
        others = gateway_experiments(gateway) if gateway else ()
    except ValueError:
        raise click.UsageError("--gateway must be a gateway's id: letters, digits, - and _") from None
    experiments = [*EXPERIMENTS, *(QUEUE if queue else ()), *others]
    names = [experiment.name for experiment in experiments]
    if unknown := set(only) - set(names):
        raise click.UsageError(f"--only must be one of {', '.join(names)}, not {', '.join(sorted(unknown))}")
    return [experiment for experiment in experiments if not only or experiment.name in only]


def _connection(base_url: str | None) -> Connection:
    try:
        return Settings().for_call({"base_url": base_url}).connection("cf_llama-verify")
    except WorkersAIError as error:
        raise CannotAskError(str(error)) from None


def _check_writable(paths: Iterable[Path | None]) -> None:
    """Refuse before anything is paid for what could not be written after it."""
    for path in filter(None, paths):
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK):
            raise CannotAskError(f"cannot write {path}: {place} does not exist or is not writable")


def _confirmed() -> bool:
    try:
        return click.confirm("Ask?", default=True)
    except click.Abort:
        click.echo("\nNot confirmed, so nothing is sent; --yes confirms it.", err=True)  # no input, or Ctrl-C
        return False


def _run(experiments: Sequence[Experiment], connection: Connection, cassette: Path | None) -> Report:
    console, verdicts = Console(stderr=True), []
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    try:
        with bar, Client(connection, _recorder(cassette)) as client:
            task = bar.add_task("", total=len(experiments))
            for experiment, verdict in run_experiments(experiments, client.send):
                verdicts.append((experiment, verdict))
                bar.update(task, advance=1, description=experiment.name)
    except KeyboardInterrupt:
        raise CannotAskError("stopped") from None
    except OSError as error:
        raise _cannot_write(cassette, error) from error
    return Report(connection.host, datetime.now(UTC), verdicts)


def _recorder(cassette: Path | None) -> RecorderTransport | None:
    """Return what records into a cassette, from the first answer on; None without one."""
    return RecorderTransport(Recorder(cassette, "all")) if cassette else None


def _table(report: Report) -> Table:
    """Return a row for each experiment; what is not as expected comes last, next to the prompt."""
    table = Table("outcome", "experiment", "statement", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for experiment, verdict in sorted(report.verdicts, key=lambda pair: pair[1].outcome != Outcome.AS_EXPECTED):
        lines = [experiment.statement]
        if verdict.outcome != Outcome.AS_EXPECTED:
            label = "seen" if verdict.outcome == Outcome.DIFFERS else "but"
            fault = f"; fault {verdict.switch}" if verdict.switch else ""
            lines.append(f"expected: {verdict.expected}; {label}: {verdict.seen}{fault}")
        outcome = Text(verdict.outcome, _COLOURS[verdict.outcome])
        table.add_row(outcome, experiment.name, Text("\n".join(lines)))
    return table


def _write(texts: dict[Path | None, str]) -> None:
    for path, text in texts.items():
        try:
            if path is not None:
                path.write_text(text, "utf-8")
        except OSError as error:
            raise _cannot_write(path, error) from error


def _cannot_write(path: Path | None, error: OSError) -> CannotAskError:
    return CannotAskError(f"cannot write {path}: {error.strerror or error}")
