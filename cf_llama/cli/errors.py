"""Failures as one message on the standard error, without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cf_llama.protocol.errors import MissingCredentialsError, WorkersAIError

WITHOUT_ACCOUNT = "To work without an account, run `cf-llama serve` in another terminal and copy its export lines."


@contextmanager
def as_messages() -> Iterator[None]:
    """Turn failures of calls and files into messages; the exit code is 1.

    Raises:
        ClickException: what failed, in one message.
    """
    try:
        yield
    except BrokenPipeError:  # nobody reads any more, as of `cf-llama ask ... | head -1`: click ends quietly
        raise
    except MissingCredentialsError as error:
        raise click.ClickException(f"{error}. {WITHOUT_ACCOUNT}") from None
    except (WorkersAIError, OSError) as error:
        raise click.ClickException(str(error)) from error
