"""The command `serve`: an emulator of Workers AI on this machine."""

from __future__ import annotations

import os
import shutil
import textwrap
import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from cf_llama.cli.access_log import AccessLogHandler, log_to_stdout
from cf_llama.cli.batch import FILE
from cf_llama.cli.interrupt import until_interrupted
from cf_llama.cli.service_account import service_from_environment
from cf_llama.cli.verify import faults_of_profile
from cf_llama_emulator.engines.choose import (
    FORMS,
    Choice,
    ModelFile,
    PulledModel,
    Rules,
    Server,
    choose_for_this_machine,
    start,
)
from cf_llama_emulator.engines.embeddings import DESCRIPTION
from cf_llama_emulator.faults import combined
from cf_llama_emulator.faults.catalogue import listing
from cf_llama_emulator.hosts import LOOPBACK_HOSTS
from cf_llama_emulator.server.threaded import RunningEmulator
from cf_llama_emulator.server.threaded import serve as serve_emulator
from cf_llama_emulator.settings import ServiceAccount
from cf_llama_emulator.wire.writers import WRITERS

LOOPBACK_NAMES = {"127.0.0.1", "localhost", "::1"}
"""Where to listen without letting other machines in."""


@click.command(context_settings={"show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on; anything but loopback lets others in.")
@click.option("--port", default=8799, type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--engine", default="auto", help=f"What thinks: {FORMS}.")
@click.option("--engine-model", help="Name of the model on the server of an http:// engine.")
@click.option("--engine-key", envvar="CF_LLAMA_ENGINE_KEY", show_envvar=True, help="Key of that server, if it has one.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of a local model.  [default: cores less one]")
@click.option("--shape", default="native", type=click.Choice(list(WRITERS)), help="Shape of the answers of /ai/run.")
@click.option("--fault", multiple=True, metavar="NAME[=VALUE]", help="Go wrong like this, always; repeatable.")
@click.option("--profile", type=FILE, help="Go wrong as `cf-llama verify --apply` wrote into this file.")
@click.option(
    "--cassette",
    type=click.Path(exists=True, dir_okay=False),
    help="Replay the answers in this file, in place of an engine.",
)
@click.option(
    "--cassette-speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="TIMES",
    help="Replay as fast as recorded (1), or as many times as fast.  [default: at once]",
)
@click.option(
    "--queue-file",
    type=click.Path(dir_okay=False, writable=True),
    help="File to keep batches in, so that they survive a restart.  [default: memory]",
)
@click.option("--list-faults", is_flag=True, help="List all that can go wrong on demand, and exit.")
@click.option("--any-credentials", is_flag=True, help="Take every account and every token.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Answer under this host name too; repeatable. Needed for any --host but this machine's own.",
)
@click.option(
    "--allow-origin", multiple=True, metavar="ORIGIN", help="Answer web pages from this origin too; repeatable."
)
@click.option(
    "--playground/--no-playground",
    default=True,
    help="Serve a page for trying prompts, which shows every request, to browsers on this machine.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the playground in the browser.")
@click.option("--quiet", is_flag=True, help="Print no line for each request.")
@click.option(
    "--log-format",
    default="text",
    type=click.Choice(["text", "json"]),
    help="Form of the line for each request; with json nothing else is on the standard output.",
)
def serve(
    *,
    host: str,
    port: int,
    engine: str,
    engine_model: str | None,
    engine_key: str | None,
    threads: int | None,
    shape: str,
    fault: tuple[str, ...],
    profile: Path | None,
    cassette: str | None,
    cassette_speed: float | None,
    queue_file: str | None,
    list_faults: bool,
    any_credentials: bool,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    playground: bool,
    open_page: bool,
    quiet: bool,
    log_format: str,
) -> None:
    """Start an emulator of Workers AI and say how to reach it.

    The engine "auto" is the largest model that has been pulled, or fixed rules where there is none.

    A line for each request says when it came, its method and route, the status of the answer, whether it was asked for
    as a stream, whether the client hung up, milliseconds, tokens of prompt and completion, faults and the model. With
    --log-format json it is an object with the keys time, method, route, model, stream, status, prompt_tokens,
    completion_tokens, milliseconds, faults and hung_up. Account, token and content are never printed.
    """
    fault = (*faults_of_profile(profile), *fault)
    if list_faults:
        click.echo(listing(shutil.get_terminal_size().columns))
        return
    if host not in LOOPBACK_NAMES and not allow_host:
        raise click.UsageError(f"--host {host} lets other machines in: name the host they call with --allow-host NAME.")
    if cassette_speed is not None and cassette is None:
        raise click.UsageError("--cassette-speed goes with --cassette.")
    settings: dict[str, Any] = {
        "shape": shape,
        "faults": ", ".join(fault),
        "cassette": cassette,
        "cassette_speed": cassette_speed,
        "queue_file": queue_file,
        "hosts": LOOPBACK_HOSTS.union(allow_host),
        "origins": frozenset(allow_origin),
        "playground": playground,
        "access_log": None if quiet else log_to_stdout(AccessLogHandler(), log_format),
    }
    if any_credentials:
        settings |= {"account_id": None, "api_token": None}
    _check_faults(fault)  # before a model is loaded
    say = partial(click.echo, err=log_format == "json")
    settings["service"], service_line = _service() if playground else (None, "")
    try:
        choice = Rules() if cassette else choose_for_this_machine(engine, engine_model)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        say(f"cassette  {cassette}" if cassette else f"engine    {describe_engine(choice)}\nvectors   {DESCRIPTION}")
        thinking = start(choice, api_key=engine_key, threads=threads)
        running = serve_emulator(thinking, host=host, port=port, **settings)
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # asyncio says the address once more
        raise click.ClickException(f"cannot listen on {host}:{port}: {reason}; try another --port") from error
    with running:
        say(environment_lines(running, service_line))
        if open_page and running.playground_url:
            webbrowser.open(running.playground_url)
        until_interrupted()
    say("\nstopped")


def describe_engine(choice: Choice) -> str:
    """Say what thinks, and plainly what it is not."""
    match choice:
        case Rules():
            return (
                "fixed rules, no model: fit for tests, not for conversation.\n"
                "          A small real model: pip install 'cf-llama[local]'; cf-llama model pull"
            )
        case PulledModel(name):
            thinks = f"{name} on this machine"
        case ModelFile(path):
            thinks = f"{path} on this machine"
        case Server(url, model_there):
            thinks = f"{model_there} at {url}"
    return f"{thinks}. This is not Llama 3.3 70B:\n          quality, speed and token counts are its own."


def environment_lines(running: RunningEmulator, service: str = "") -> str:
    """Return what to export, to be copied into a shell, and how to stop; `service` is what the page can ask too."""
    page = f"playground {running.playground_url}\n{service}" if running.playground_url else ""
    return (
        f"export CLOUDFLARE_BASE_URL={running.base_url}\n"
        f"export CLOUDFLARE_ACCOUNT_ID={running.account_id}\n"
        f"export CLOUDFLARE_API_TOKEN={running.api_token}\n"
        f"export CLOUDFLARE_AUTH_TOKEN={running.api_token}\n"
        "OpenAI's clients take the same token and this base URL:\n"
        f"{running.base_url}/accounts/{running.account_id}/ai/v1\n"
        f"{page}"
        "ready     Ctrl-C stops"
    )


def _service() -> tuple[ServiceAccount | None, str]:
    """Return the account with which the page may ask the service, and a line about it."""
    try:
        account = service_from_environment()
    except ValueError as error:
        return None, f"          It asks the emulator alone: {error}\n"
    line = account and f"          It can ask {account.host} too, with your account, once you switch it over.\n"
    return account, line or ""


def _check_faults(faults: Sequence[str]) -> None:
    """Refuse what is no fault, with all there are: as wide as the terminal, and no name broken."""
    try:
        combined(faults)
    except ValueError as error:
        columns = shutil.get_terminal_size().columns
        raise click.UsageError(textwrap.fill(str(error), columns - 7, break_on_hyphens=False)) from error
