"""What the failure of one batch means for it, and for the others."""

from __future__ import annotations

from collections.abc import Sequence

from cf_llama.batch.payloads import Outcome
from cf_llama.protocol import errors
from cf_llama.protocol.error_responses import CODES
from cf_llama.protocol.errors import NotFoundError, WorkersAIError

_FATAL = (
    errors.AuthenticationError,
    errors.PermissionDeniedError,
    errors.NotFoundError,
    errors.QuotaExceededError,
    errors.MissingCredentialsError,
)
_BAD_ITEM, _FAILED = 5006, 5001


def stops_sending(error: WorkersAIError) -> bool:
    """Whether every other submission would fail as this one did."""
    return isinstance(error, _FATAL)


def stops_polling(error: WorkersAIError) -> bool:
    """Whether every other poll would fail as this one did.

    A batch that is not found is that batch alone; an account or a model has a code of its own.
    """
    forgotten = isinstance(error, NotFoundError) and error.code not in CODES
    return isinstance(error, _FATAL) and not forgotten


def is_failed_execution(error: WorkersAIError) -> bool:
    """Whether a poll says that the batch has come to its end."""
    return error.code == _FAILED


def is_bad_input(error: WorkersAIError | None) -> bool:
    """Whether questions do not have the form that the service takes."""
    return error is not None and error.code == _BAD_ITEM


def all_bad_input(outcomes: Sequence[Outcome]) -> bool:
    """Whether not one question of a batch had the form that the service takes."""
    return bool(outcomes) and all(is_bad_input(outcome.error) for outcome in outcomes)
