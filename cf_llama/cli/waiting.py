"""What a terminal shows while a call is under way."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cf_llama.transport.limits.gate import Limits


def limit_text(limits: Limits | None) -> str:
    """Say that calls wait for the account's limit; empty if none does."""
    if limits is None or not limits.waiting:
        return ""
    seconds = limits.next_place
    return "waiting for the limit" if seconds is None else f"waiting for the limit, {seconds:.0f} s"


def waiting_line(console: Console, limits: Callable[[], Limits | None]) -> Live:
    """A line that says that a call is under way, or waits for the limit, and vanishes when the call is answered.

    Args:
        console: Where it is drawn, if that is a terminal.
        limits: As `Transport.limits`; asked whenever the line is drawn.
    """
    spinner = Spinner("dots", style="dim")

    def draw() -> Spinner:
        spinner.update(text=Text(limit_text(limits()), style="dim"))
        return spinner

    return Live(
        console=console,
        get_renderable=draw,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    )
