"""Options that several commands share, and the settings they make."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from cf_llama.config.settings import Settings
from cf_llama.protocol import model
from cf_llama.protocol.errors import InvalidRequestError

Command = TypeVar("Command", bound=Callable[..., Any])


class Words(click.types.StringParamType):
    """A text, read as UTF-8 whatever the locale: in an ASCII one, Python leaves its other bytes undecoded."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Decode what Python has not."""
        try:
            return os.fsencode(value).decode()
        except UnicodeDecodeError:
            self.fail("is no UTF-8.", param, ctx)
        except UnicodeEncodeError:  # it is text already
            return value


WORDS = Words()


def _in_range(name: str) -> click.IntRange | click.FloatRange:
    bounds = model.RANGES[name]
    if name == "temperature":
        return click.FloatRange(bounds.low, bounds.high)
    return click.IntRange(int(bounds.low), int(bounds.high))


_SAMPLING = (
    click.option("--temperature", type=_in_range("temperature"), help="Randomness.  [default: 0.6, by the service]"),
    click.option(
        "--max-tokens",
        type=_in_range("max_tokens"),
        help=f"Longest answer, in tokens.  [default: {model.DEFAULT_MAX_TOKENS}]",
    ),
    click.option("--seed", type=_in_range("seed"), help="For answers that repeat."),
)
_SETTINGS = (
    click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. top_p=0.9."),
    click.option(
        "--usage-file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="CF_LLAMA_USAGE",
        show_envvar=True,
        help="Record tokens and cost in this file; see `cf-llama usage`.",
    ),
)


def sampling_options(command: Command) -> Command:
    """Add --temperature, --max-tokens and --seed."""
    return _with(_SAMPLING, command)


def settings_options(command: Command) -> Command:
    """Add --set and --usage-file."""
    return _with(_SETTINGS, command)


def _with(options: Iterable[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(list(options)):
        command = option(command)
    return command


def make_settings(assignments: Iterable[str], **options: Any) -> Settings:
    """The settings of a command: the environment's, then those of --set, then its own options that are given.

    Raises:
        UsageError: a name is unknown or a value is not allowed; the message names both.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings().for_call(parse_assignments(assignments) | settings)
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """The values of `name=value`, read as JSON where they are JSON.

    Raises:
        UsageError: a text has no `=`.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text!r} must be NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
