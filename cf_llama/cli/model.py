"""The commands `model list` and `model pull`: the small models that the emulator can run."""

from __future__ import annotations

import click
from rich.console import Console

from cf_llama.cli.progress import ProgressBar
from cf_llama_emulator.engines.local.weights import CATALOGUE, DEFAULT, PullError
from cf_llama_emulator.engines.local.weights import pull as pull_weights


@click.group()
def model() -> None:
    """The small models that the emulator can think with."""


@model.command(name="list", short_help="List the models, and which are on this machine.")
def list_models() -> None:
    """List the models, their sizes, licences and homes, and which are on this machine."""
    for weights in CATALOGUE.values():
        click.echo(f"{weights.name}  {weights.size / 1e6:,.0f} MB  {weights.licence}  {weights.repository}")
        click.echo(f"    {weights.path if weights.in_cache else f'not here yet: cf-llama model pull {weights.name}'}")


@model.command(short_help="Fetch a model into the cache folder.")
@click.argument("name", default=DEFAULT, type=click.Choice(list(CATALOGUE)))
def pull(name: str) -> None:
    """Fetch a model into the cache folder: resumable, verified, from its publisher first.

    The folder is models in CF_LLAMA_CACHE, else in cf-llama in XDG_CACHE_HOME or ~/.cache.
    """
    weights = CATALOGUE[name]
    click.echo(f"{name}: {weights.size / 1e6:,.0f} MB, licence {weights.licence} ({weights.repository})")
    try:
        with ProgressBar(Console(), weights.size) as bar:
            path = pull_weights(weights, bar)
    except KeyboardInterrupt:
        raise click.ClickException("stopped; what has come is kept, the same command goes on from there") from None
    except (PullError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"SHA-256 {weights.sha256} verified\n{path}")
