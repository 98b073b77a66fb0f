"""The command `record`: a proxy that records what the service answers."""

from __future__ import annotations

import os

import click

from cf_llama.cli.access_log import AccessLogHandler, log_to_stdout
from cf_llama.cli.interrupt import until_interrupted
from cf_llama_emulator.cassettes.recorder import Recorder
from cf_llama_emulator.server.recording import RecordingProxy
from cf_llama_emulator.settings import UPSTREAM


@click.command(context_settings={"show_default": True})
@click.option(
    "--cassette",
    required=True,
    type=click.Path(dir_okay=False, writable=True),
    help="File to record into (JSON Lines).",
)
@click.option(
    "--port", default=8799, type=click.IntRange(0, 65535), help="Port of 127.0.0.1 to listen on; 0: a free one."
)
@click.option("--upstream", default=UPSTREAM, metavar="URL", help="Base URL of the service.")
@click.option(
    "--record-mode",
    default="new_episodes",
    type=click.Choice(["new_episodes", "all"]),
    help="Replay what the file has and add what it has not; or record everything, and the file anew.",
)
@click.option("--scrub", multiple=True, metavar="PATTERN", help="Regular expression to take out too; repeatable.")
@click.option("--quiet", is_flag=True, help="Print no line for each request.")
def record(*, cassette: str, port: int, upstream: str, record_mode: str, scrub: tuple[str, ...], quiet: bool) -> None:
    """Start a proxy that records the answers of Workers AI.

    Your own account and token are passed on. Neither they nor any other header that is sent, ray ids, cookies and the
    addresses on error pages are written to the file. `cf-llama serve --cassette FILE` replays it.
    """
    log = None if quiet else log_to_stdout(AccessLogHandler(), "text")
    try:
        recorder = Recorder(cassette, record_mode, scrub=scrub)
        running = RecordingProxy(recorder, upstream=upstream, port=port, access_log=log)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # asyncio says the address once more
        raise click.ClickException(f"cannot listen on 127.0.0.1:{port}: {reason}; try another --port") from error
    with running:
        click.echo(f"recording {upstream} into {cassette}\n{environment_lines(running)}")
        until_interrupted()
    click.echo("\nstopped")


def environment_lines(running: RecordingProxy) -> str:
    """Return what to export, to be copied into a shell, and how to stop."""
    return (
        f"export CLOUDFLARE_BASE_URL={running.base_url}\n"
        "Account and token stay your own. OpenAI's clients take the token and this base URL:\n"
        f"{running.base_url}/accounts/$CLOUDFLARE_ACCOUNT_ID/ai/v1\n"
        "ready     Ctrl-C stops"
    )
