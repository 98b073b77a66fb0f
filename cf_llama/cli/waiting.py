"""What a terminal shows while a call is under way."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cf_llama.transport.limits.snapshot import Limits

LookUp = Callable[[], Limits | None]
"""Returns the present limits, as `Transport.limits` does."""
_PROBE = 2.0
"""Seconds for which a wait is taken to go on: meanwhile a request may ask whether the limit still holds."""


class LimitNotice:
    """Says that calls wait for the account's limit, and for how long.

    Args:
        limits: Returns the present limits.
        clock: Seconds that never go back.
    """

    def __init__(self, limits: LookUp, clock: Callable[[], float] = monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._since = self._seen = -inf

    def text(self) -> str:
        """What to show now; empty if no call waits."""
        now, limits = self._clock(), self._limits()
        goes_on = now - self._seen <= _PROBE
        if limits and limits.waiting:
            self._since = self._since if goes_on else now
            self._seen = now
        elif not goes_on:
            return ""
        return f"waiting for the limit, {now - self._since:.0f} s"


def waiting_line(console: Console, limits: LookUp) -> Live:
    """A line that says that a call is under way, or waits for the limit, and vanishes when the call is answered.

    Args:
        console: Where it is drawn, if that is a terminal.
        limits: Returns the present limits; asked whenever the line is drawn.
    """
    spinner, notice = Spinner("dots", style="dim"), LimitNotice(limits)

    def draw() -> Spinner:
        spinner.update(text=Text(notice.text(), style="dim"))
        return spinner

    return Live(
        console=console,
        get_renderable=draw,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    )
