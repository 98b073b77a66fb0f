"""The command `cf-llama`: runs the command line, or says what to install for it.

Each command has a module. What a program could use as well belongs in the other folders; here it is read, shown and
printed.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path

NEEDED = {"click", "rich", "starlette", "uvicorn", "jsonschema"}
"""What the extra `cli` brings."""


def main() -> None:
    """Run the command line."""
    _prepare_streams()
    try:
        # The commands import what they need, some of them the emulator, only when they are run.
        from cf_llama.cli.commands import root  # noqa: PLC0415 - its imports may be missing

        root(prog_name="cf-llama")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        sys.exit(f"cf-llama: {missing} is missing; install it with `pip install 'cf-llama[cli]'`.")


def _prepare_streams() -> None:
    """Replace standard streams that are closed, and let the others write what their encoding lacks as ?."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays open
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
