"""The list of commands; the module of each has its name and is imported when it is needed."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module

import click

from cf_llama.version import __version__

COMMANDS = (
    "ask",
    "batch",
    "chat",
    "completion",
    "doctor",
    "model",
    "record",
    "serve",
    "tokens",
    "usage",
    "verify",
    "worker",
)


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, as the emulator takes as long to import as all others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cf_llama.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant.

        Raises:
            UsageError: there is none of this name.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], COMMANDS, n=1)
            suggestion = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"{error.message}{suggestion}", ctx) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cf-llama")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Llama 3.3 70B on Cloudflare Workers AI, and an emulator of it to work offline."""
    if os.environ.get("NO_COLOR"):  # no-color.org; click does not read it
        ctx.color = False
