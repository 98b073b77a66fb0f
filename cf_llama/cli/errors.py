"""Failures as one message on the standard error, without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cf_llama.protocol.errors import MissingCredentialsError, WorkersAIError

WITHOUT_ACCOUNT = "To work without an account, run `cf-llama serve` and copy its export lines."

_VARIABLES = {"account_id": "CLOUDFLARE_ACCOUNT_ID", "api_token": "CLOUDFLARE_API_TOKEN"}


@contextmanager
def as_messages() -> Iterator[None]:
    """Turn failures of calls and files into messages; the exit code is 1.

    Raises:
        ClickException: what failed, in one message.
    """
    try:
        yield
    except BrokenPipeError:  # the reader is gone, as with `cf-llama ask ... | head -1`: click ends quietly
        raise
    except MissingCredentialsError as error:
        missing = " and ".join(
            variable for name, variable in _VARIABLES.items() if f"{name} is missing" in error.message
        )
        raise click.ClickException(f"{missing} must be set. {WITHOUT_ACCOUNT}") from None
    except (WorkersAIError, OSError) as error:
        raise click.ClickException(str(error)) from error
