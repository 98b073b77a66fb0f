"""The command `cf-llama`: runs the command line, or says what to install for it.

Each command has a module. What a program could use as well belongs in the other folders; here it is read, shown and
printed.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

NEEDED = {"click", "rich", "starlette", "uvicorn", "jsonschema"}
"""What the extra `cli` brings."""


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may hold what the terminal's encoding has not
    try:
        # The commands import what they need, some of them the emulator, only when they are run.
        from cf_llama.cli.commands import root  # noqa: PLC0415 - its imports may be missing

        root(prog_name="cf-llama")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        sys.exit(f"cf-llama: {missing} is missing; install it with `pip install 'cf-llama[cli]'`.")
