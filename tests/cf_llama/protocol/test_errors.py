"""The tree of errors: whose child each is, what it carries, and that it travels."""

from __future__ import annotations

import copy
import pickle

import pytest

from cf_llama import Reply, WorkersAIError
from cf_llama.protocol import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WorkersAIError)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_every_error_travels(kind, travel):
    error = travel(kind("no", status=429, code=1, ray_id="8f", request_id="r", retry_after=3, partial=Reply(text="a")))
    assert type(error) is kind
    assert (error.message, error.status, error.code, error.ray_id) == ("no", 429, 1, "8f")
    assert (error.request_id, error.retry_after, error.partial.text) == ("r", 3, "a")
    assert error.is_retryable is kind.retryable


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_is_taken_for_a_bug_of_the_caller(kind):
    assert not issubclass(kind, ValueError | RuntimeError | OSError | TypeError)


def test_the_text_names_what_support_asks_for():
    error = errors.CapacityError("Busy", status=429, code=3040, ray_id="8f-ZRH", request_id="r1")
    assert (
        str(error)
        == "Busy (status 429, code 3040, ray 8f-ZRH, request r1). Try again in half a minute, or raise max_retries."
    )
    assert str(errors.CapacityError("Busy")) == "Busy"


def test_a_single_failure_may_differ_from_its_class():
    assert not errors.ServiceError("no", is_retryable=False).is_retryable


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (errors.ContextOverflowError, errors.InvalidRequestError),
        (errors.MissingCredentialsError, errors.InvalidRequestError),
        (errors.CapacityError, errors.RateLimitError),
        (errors.QuotaExceededError, errors.RateLimitError),
        (errors.BadResponseError, errors.ServiceError),
        (errors.StreamInterruptedError, errors.ServiceError),
        (errors.JSONModeError, errors.ServiceError),
        (errors.ToolChoiceError, errors.ServiceError),
        (errors.SubmissionInDoubtError, errors.ServiceError),
    ],
)
def test_a_handler_of_the_parent_takes_the_child(child, parent):
    assert issubclass(child, parent)


def test_what_waiting_cannot_mend_is_not_retryable():
    assert {kind.__name__ for kind in KINDS if kind.retryable} == {
        "RateLimitError",
        "CapacityError",
        "ServiceError",
        "JSONModeError",
        "ConnectionFailedError",
        "RequestTimeoutError",
    }
