"""The command `cf-llama`: runs the command line, or says what to install for it.

Each command has a module. What a program could use as well belongs in the other folders; here it is read, shown and
printed.
"""

from __future__ import annotations

import sys

NEEDED = {"click", "rich", "starlette", "uvicorn", "jsonschema"}
"""What the extra `cli` brings."""


def main() -> None:
    """Run the command line."""
    try:
        # The one place of this package that reaches for the emulator, and only when the command is run.
        from cf_llama.cli.commands import root  # noqa: PLC0415 - its imports may be missing
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        sys.exit(f"cf-llama: {missing} is missing; install it with `pip install 'cf-llama[cli]'`.")
    root(prog_name="cf-llama")
