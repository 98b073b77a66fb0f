"""The errors of a call for LangChain: each class derives from one of `cf_llama` and one of its `ModelError`s.

LangChain's retries, fallbacks and summarization decide by the `ModelError` classes and their `is_retryable`; code that
uses `cf_llama` by itself catches the same errors by its own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core import exceptions

from cf_llama.protocol import errors


class WorkersAIError(errors.WorkersAIError, exceptions.ModelError):
    """Base class of all failures of a call."""


class InvalidRequestError(errors.InvalidRequestError, WorkersAIError, exceptions.ModelInvalidRequestError):
    """The request cannot be right as it is."""


class ContextOverflowError(errors.ContextOverflowError, InvalidRequestError, exceptions.ContextOverflowError):
    """Input and `max_tokens` together exceed the context window."""


class MissingCredentialsError(errors.MissingCredentialsError, InvalidRequestError):
    """No account id or no token was given, nor found in the environment."""


class AuthenticationError(errors.AuthenticationError, WorkersAIError, exceptions.ModelAuthenticationError):
    """The token is missing, malformed or wrong."""


class PermissionDeniedError(errors.PermissionDeniedError, WorkersAIError, exceptions.ModelPermissionDeniedError):
    """The token is valid, but not for this account or model."""


class NotFoundError(errors.NotFoundError, WorkersAIError, exceptions.ModelNotFoundError):
    """The account, the model or the gateway does not exist."""


class RateLimitError(errors.RateLimitError, WorkersAIError, exceptions.ModelRateLimitError):
    """Too many requests; the same call succeeds later."""


class CapacityError(errors.CapacityError, RateLimitError):
    """The service is out of capacity."""


class QuotaExceededError(errors.QuotaExceededError, RateLimitError):
    """The daily free allocation or a spend limit is used up; not retryable, unlike its parent."""


class ServiceError(errors.ServiceError, WorkersAIError, exceptions.ModelAPIError):
    """The service, or something in front of it, failed."""


class BadResponseError(errors.BadResponseError, ServiceError):
    """The response cannot be read."""


class StreamInterruptedError(errors.StreamInterruptedError, ServiceError):
    """The stream broke off; `partial` holds what had come."""


class JSONModeError(errors.JSONModeError, ServiceError):
    """The model could not meet the JSON schema."""


class ToolChoiceError(errors.ToolChoiceError, ServiceError):
    """A tool call was forced and did not come; `partial` is what the model answered."""


class SubmissionInDoubtError(errors.SubmissionInDoubtError, ServiceError):
    """A batch was sent, and what became of it is not known."""


class BudgetExceededError(errors.BudgetExceededError, WorkersAIError):
    """The call may cost more than is left of a budget; it was not sent."""


class JournalError(errors.JournalError, WorkersAIError):
    """The file of a batch job cannot be read or written."""


class ConnectionFailedError(errors.ConnectionFailedError, WorkersAIError, exceptions.ModelConnectionError):
    """The connection failed, or broke before a response arrived."""


class RequestTimeoutError(errors.RequestTimeoutError, WorkersAIError, exceptions.ModelTimeoutError):
    """No response, or no further event of a stream, arrived in time."""


def to_langchain_error(error: errors.WorkersAIError) -> WorkersAIError:
    """Convert an error of `cf_llama` to its class in this module."""
    kind = next(_KINDS[base] for base in type(error).__mro__ if base in _KINDS)
    return kind(error.message, **error.details())


@contextmanager
def langchain_errors() -> Iterator[None]:
    """Convert errors raised in the block to the classes of this module."""
    try:
        yield
    except WorkersAIError:
        raise
    except errors.WorkersAIError as error:
        raise to_langchain_error(error) from error


def _subclasses(kind: type[WorkersAIError]) -> Iterator[type[WorkersAIError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _subclasses(subclass)


_KINDS: dict[type, type[WorkersAIError]] = {kind.__bases__[0]: kind for kind in _subclasses(WorkersAIError)}
"""Ours to LangChain's. The first base of each class above is its counterpart in `cf_llama.protocol.errors`."""
