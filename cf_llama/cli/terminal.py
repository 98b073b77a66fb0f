"""Text of the model on the standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

import click

from cf_llama.protocol.reply import Delta, Reply

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters by which a text could control a terminal; tab and line feed are none."""


def is_terminal() -> bool:
    """Whether the standard output is a terminal."""
    return sys.stdout.isatty()


def write(text: str) -> None:
    """Write text of the model as it comes; on a terminal without control characters."""
    click.echo(printable(text) if is_terminal() else text, nl=False)


def write_stream(deltas: Iterable[Delta]) -> Reply:
    """Write the text of a stream as it comes and end the line, also after a failure; returns the whole reply."""
    reply, has_text = Reply(), False
    try:
        for delta in deltas:
            if delta.text:
                write(delta.text)
                has_text = True
            reply = delta.reply or reply
    finally:
        if has_text:
            click.echo()
    return reply


def say(text: str) -> None:
    """Say something beside the answers, on the standard error."""
    click.secho(printable(text), dim=True, err=True)


def warn(text: str) -> None:
    """Say on the standard error that something has failed."""
    click.secho(printable(text), fg="red", err=True)


def printable(text: str) -> str:
    """A text without characters that control a terminal."""
    return _CONTROLS.sub("�", text)
