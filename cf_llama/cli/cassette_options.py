"""The options of `serve` that replay a cassette."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False)
_SPEED = click.FloatRange(min=0, min_open=True)


def cassette_options(command: Command) -> Command:
    """Add `--cassette` and `--cassette-speed`."""
    command = click.option(
        "--cassette-speed",
        type=_SPEED,
        metavar="TIMES",
        help="Replay as fast as recorded (1), or as many times as fast.  [default: at once]",
    )(command)
    return click.option("--cassette", type=_FILE, help="Replay the answers in this file, in place of an engine.")(
        command
    )


def cassette_settings(cassette: str | None, speed: float | None) -> dict[str, Any]:
    """Return the settings of an emulator.

    Raises:
        UsageError: a speed is given without a cassette.
    """
    if speed is not None and cassette is None:
        raise click.UsageError("--cassette-speed goes with --cassette.")
    return {"cassette": cassette, "cassette_speed": speed}
