"""What the failure of a batch means for it and for the others."""

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
    """Whether every other submission would fail alike."""
    return isinstance(error, _FATAL)


def stops_polling(error: WorkersAIError) -> bool:
    """Whether every other poll would fail alike.

    A batch that is not found is that batch alone; an account or a model has another code.
    """
    forgotten = isinstance(error, NotFoundError) and error.code not in CODES
    return isinstance(error, _FATAL) and not forgotten


def is_failed_execution(error: WorkersAIError) -> bool:
    """Whether a poll reports that the batch has failed for good."""
    return error.code == _FAILED


def is_bad_input(error: WorkersAIError | None) -> bool:
    """Whether items do not have a form that the service accepts."""
    return error is not None and error.code == _BAD_ITEM


def all_bad_input(outcomes: Sequence[Outcome]) -> bool:
    """Whether no item of a batch had a form that the service accepts."""
    return bool(outcomes) and all(is_bad_input(outcome.error) for outcome in outcomes)
