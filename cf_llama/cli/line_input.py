"""Messages that are typed or pasted, of one line or several."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

import click

_PASTE_GAP = 0.05  # seconds; the lines of a pasted block are there at once


def read_message(read_line: Callable[[str], str], more: Callable[[], bool]) -> str:
    """Read a message: a line, those that follow a backslash at its end, and the rest of a pasted block.

    Args:
        read_line: As `input`.
        more: Whether further lines are there already.

    Raises:
        EOFError: the input has ended before the message.
        KeyboardInterrupt: the user takes the message back.
    """
    lines = [read_line("> ")]
    while (goes_on := lines[-1].endswith("\\")) or more():
        lines[-1] = lines[-1][:-1] if goes_on else lines[-1]
        try:
            lines.append(read_line("… "))
        except EOFError:
            break
    return "\n".join(lines)


def terminal_lines() -> tuple[Callable[[str], str], Callable[[], bool]]:
    """The arguments of `read_message` for the standard input; only a terminal sees prompts and has pasted blocks."""
    if not sys.stdin.isatty():
        return (lambda _: input()), (lambda: False)
    if not sys.stdout.isatty():  # `input` would write the prompt among the answers
        return _read_line, _has_more
    try:
        import readline  # noqa: PLC0415 - not on every system, and it changes how `input` works

        readline.parse_and_bind("set enable-bracketed-paste on")  # a pasted block stays in the line until Enter
    except ImportError:
        pass
    return input, _has_more


def _read_line(prompt: str) -> str:
    """Read a line, with the prompt on the standard error."""
    click.echo(prompt, nl=False, err=True)
    return input()


def _has_more() -> bool:
    """Whether more of a pasted block waits in the terminal, where readline does not take it as a whole."""
    try:
        return bool(select.select([sys.stdin], [], [], _PASTE_GAP)[0])
    except (OSError, ValueError):  # on Windows a terminal cannot be asked
        return False
