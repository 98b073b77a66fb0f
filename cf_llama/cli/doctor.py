"""The command `doctor`: checks the set-up, one line each."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from cf_llama.cli import terminal
from cf_llama.cli.client import Client
from cf_llama.cli.findings import Finding, check_setup
from cf_llama.cli.options import make_settings, settings_options
from cf_llama.cli.service_checks import ServiceChecks

_DEFAULTS = ("max_retries=1", "rate_limit_wait=20", 'timeout={"total": 60}')
"""A check that waits for minutes is of little use; --set goes first."""
_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}
_INDENT = " " * len("skipped  batch queue   ")
_NARROW = 60  # columns; below, further lines of a finding begin at the left


@click.command(short_help="Check the set-up and the service.")
@click.option("--json", "as_json", is_flag=True, help="Print an object with all checks and the cost.")
@settings_options
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, assignments: tuple[str, ...], usage_file: Path | None) -> None:
    """Check settings, certificates, proxy, connection and token, and what the model can do.

    It sends a few short requests, which cost less than a cent. The values of settings are not shown. The exit
    code is 1 if a check fails.
    """
    examination = Examination((*_DEFAULTS, *assignments), usage_file)
    if not as_json:
        click.echo("If the set-up is right, a few short requests are sent, which cost less than a cent together.")
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        if not as_json:
            _print(finding)
    failed = [finding.name for finding in findings if finding.status == "failed"]
    if as_json:
        report = {"ok": not failed, "cost_usd": examination.cost_usd, "checks": [asdict(each) for each in findings]}
        click.echo(json.dumps(report))
    else:
        result = f"Failed: {', '.join(failed)}." if failed else "Nothing is wrong."
        click.echo(f"{result} It cost ${examination.cost_usd:.6f}.")
    ctx.exit(1 if failed else 0)


class Examination:
    """All checks in their order.

    Args:
        assignments: `name=value` of settings.
        usage_file: Where usage is recorded, if it is.
    """

    def __init__(self, assignments: tuple[str, ...], usage_file: Path | None) -> None:
        self._settings = make_settings(assignments)
        self._usage_file = usage_file
        self.cost_usd = 0.0

    def findings(self) -> Iterator[Finding]:
        """Make the checks; calls are left out if the set-up cannot be right."""
        is_good = True
        for finding in check_setup(self._settings):
            is_good = is_good and finding.status != "failed"
            yield finding
        if not is_good:
            yield Finding("calls", "skipped", "none is sent before the above is mended")
            return
        checks = ServiceChecks(Client(self._settings, "doctor", self._usage_file), self._settings)
        for finding in checks.run():
            self.cost_usd = checks.cost_usd
            yield finding


def wrapped(text: str, width: int) -> str:
    """The text of a finding in lines of a terminal of `width` columns; no name of a variable is broken."""
    return textwrap.fill(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT if width >= _NARROW else "  ",
        break_on_hyphens=False,
        break_long_words=False,
    ).removeprefix(_INDENT)


def _print(finding: Finding) -> None:
    """Print a finding as one line; a terminal breaks it at its width."""
    status = click.style(f"{finding.status:7}", fg=_COLOURS[finding.status])
    text = terminal.printable(" ".join(filter(None, (f"{finding.text.removesuffix('.')}.", finding.advice))))
    if terminal.is_terminal():
        text = wrapped(text, shutil.get_terminal_size().columns)
    click.echo(f"{status}  {finding.name:12}  {text}")
