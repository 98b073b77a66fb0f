"""The command `tokens`: how many tokens a text has, and what is left of the context window."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import BinaryIO

import click

from cf_llama.protocol import tokens as counting
from cf_llama.protocol.model import CONTEXT_WINDOW, cost

_INSTALL = "The count is an estimate; for an exact one: pip install 'cf-llama[tokens]'"


@click.command(short_help="Count the tokens of a text.")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def tokens(*, file: BinaryIO, as_json: bool) -> None:
    """Count the tokens of FILE, or of the standard input if it is - or missing.

    A text of your own: echo 'Some text' | cf-llama tokens

    The count is that of Llama 3.3's own tokenizer if the extra `tokens` is installed, else an estimate. As a message
    of a request a text has a few more tokens. The rest of the context window is for other messages and for the answer.
    """
    if file.isatty():
        click.echo("Type or paste a text, and end it with Ctrl-D on an empty line.", err=True)
    count = count_of(file.read())
    click.echo(json.dumps(asdict(count)) if as_json else count.table())
    if not (as_json or count.exact):
        click.echo(_INSTALL, err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tokens of a text."""

    tokens: int
    exact: bool
    """Whether the count is that of the model's own tokenizer."""
    message_tokens: int
    """Prompt tokens of a request whose only message is the text."""
    context_window: int
    left: int
    """Tokens for the answer and other messages; below 0 if the text does not fit."""
    cost_usd: float
    """US dollars for such a request at the published price, without the answer."""

    def table(self) -> str:
        """The counts, one on each line."""
        rows = {
            "tokens of the text": f"{self.tokens:,}",
            "as a message": f"{self.message_tokens:,}",
            f"left of {self.context_window:,}": f"{self.left:,}",
            "cost of the input": f"${self.cost_usd:.6f}",
        }
        width = max(map(len, rows.values()))
        lines = [f"{name:20}{value:>{width}}" for name, value in rows.items()]
        return "\n".join([*lines, *(["The text does not fit into the context window."] if self.left < 0 else [])])


def count_of(data: bytes) -> Count:
    """Count the tokens of a text in UTF-8.

    Raises:
        ClickException: it is no UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"the text is not in UTF-8: {error.reason}, byte {error.start:,}") from None
    message_tokens = counting.count_messages([{"role": "user", "content": text}])
    return Count(
        tokens=counting.count_text(text),
        exact=counting.is_exact(),
        message_tokens=message_tokens,
        context_window=CONTEXT_WINDOW,
        left=CONTEXT_WINDOW - message_tokens,
        cost_usd=cost(message_tokens, 0),
    )
