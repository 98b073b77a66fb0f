"""The command `completion`: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_CF_LLAMA_COMPLETE"  # click's own name, by which the command knows that it is to complete


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the script that completes commands, options and file names in SHELL.

    \b
    To complete in each new shell:
      bash   echo 'eval "$(cf-llama completion bash)"' >> ~/.bashrc
      zsh    echo 'eval "$(cf-llama completion zsh)"' >> ~/.zshrc
      fish   cf-llama completion fish > ~/.config/fish/completions/cf-llama.fish
    """  # noqa: D301 - click wants the character itself
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"this version of click has no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "cf-llama", _VARIABLE).source())
