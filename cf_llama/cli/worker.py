"""The command `worker`: what `env.AI` of a Worker needs to be answered by an emulator."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cf_llama_emulator.server.remote_binding import PATH
from cf_llama_emulator.worker import WORKERD, WRANGLER, worker_files, wrangler_config


@click.command(context_settings={"show_default": True}, short_help="Let an emulator answer env.AI of a Worker.")
@click.option("--url", default="http://127.0.0.1:8799", help="Where the emulator listens.")
@click.option("--main", default="src/index.ts", help="Entry file of the Worker, as seen from here.")
@click.option(
    "--init",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files into this folder instead.",
)
@click.option("--force", is_flag=True, help="Overwrite files in that folder.")
def worker(*, url: str, main: str, folder: Path | None, force: bool) -> None:
    """Let an emulator answer `env.AI` of a Worker, offline and without an account.

    Prints a configuration for `wrangler dev`. With --init it writes that, a configuration for workerd and what both
    need into a folder. The binding runs its genuine code; only the service behind it is the emulator.

    Vitest and Miniflare need no files: give them the emulator as `remoteProxyConnectionString` of the binding, by
    default http://127.0.0.1:8799/__emulator/binding.
    """
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--url must begin with http:// or https://, not {url!r}.")
    origin = url.rstrip("/").removesuffix("/client/v4")
    base_url = f"{origin}/client/v4"
    if folder is None:
        click.echo(wrangler_config(base_url, main), nl=False)
        return
    try:
        _write(folder, worker_files(folder, base_url, _seen_from(folder, main)), force=force)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror or error}") from error
    click.echo(
        f"written to {folder}. While `cf-llama serve` runs, one of\n"
        f"  npx wrangler dev --config {folder / WRANGLER}\n"
        f"  npx workerd serve {folder / WORKERD}   (with the Worker as JavaScript in {folder / 'worker.js'})\n"
        "In the options of Vitest and Miniflare, without any file:\n"
        f'  ai: {{ binding: "AI", remoteProxyConnectionString: new URL("{origin}{PATH}") }}'
    )


def _seen_from(folder: Path, main: str) -> str:
    """Return the path of the entry file for a configuration in `folder`, as wrangler reads it."""
    try:
        return Path(os.path.relpath(main, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return Path(main).resolve().as_posix()


def _write(folder: Path, texts: dict[str, str], *, force: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    changed = [name for name, text in texts.items() if _differs(folder / name, text)]
    if changed and not force:
        raise click.ClickException(f"{folder} has other files of these names: {', '.join(changed)}; see --force")
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8", "replace") != text
