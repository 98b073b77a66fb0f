"""How long to wait, and when not to come back at all."""

from __future__ import annotations

import pytest

from cf_llama import (
    AuthenticationError,
    CapacityError,
    JSONModeError,
    QuotaExceededError,
    RequestTimeoutError,
    ServiceError,
    ToolChoiceError,
)
from cf_llama.transport.retry import Backoff


def longest(low, high):
    assert low == 0
    return high


def test_the_longest_wait_doubles_up_to_a_cap():
    backoff = Backoff(max_retries=10, uniform=longest)
    assert [backoff.pause(attempt, ServiceError("x")) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]


def test_the_wait_is_anything_from_nothing_to_the_longest():
    pauses = [Backoff().pause(1, ServiceError("x")) for _ in range(200)]
    assert 0 <= min(pauses) < 0.1
    assert 0.4 < max(pauses) <= 0.5


@pytest.mark.parametrize(("wish", "pause"), [(0, 0), (7.5, 7.5), (60, 60), (61, None), (3600, None)])
def test_a_wish_of_the_service_is_honoured_up_to_a_minute(wish, pause):
    assert Backoff().pause(1, CapacityError("x", retry_after=wish)) == pause


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (ServiceError("x"), 3),
        (JSONModeError("x"), 1),
        (RequestTimeoutError("x", code=3046), 1),
        (RequestTimeoutError("x"), 3),
        (ToolChoiceError("x"), 0),
        (QuotaExceededError("x", retry_after=1), 0),
        (ServiceError("x", is_retryable=False), 0),
    ],
)
def test_how_often_each_failure_is_tried_again(error, attempts):
    pauses = [Backoff(max_retries=3).pause(attempt, error) for attempt in range(1, 6)]
    assert [pause is not None for pause in pauses] == [attempt <= attempts for attempt in range(1, 6)]


def test_a_gateway_that_refuses_a_token_that_worked_is_asked_once_more_after_half_a_minute():
    backoff, refused = Backoff(max_retries=5, uniform=longest), AuthenticationError("x", code=2009)
    pauses = [backoff.pause(attempt, refused, credentials_worked=True) for attempt in (1, 2, 3)]
    assert pauses == [38, None, None]
    assert backoff.pause(1, refused) is None
    assert backoff.pause(1, AuthenticationError("x", code=10000), credentials_worked=True) is None
    assert Backoff(max_retries=0).pause(1, refused, credentials_worked=True) is None
    assert backoff.pause(1, AuthenticationError("x", code=2009, retry_after=45), credentials_worked=True) == 45


def test_no_retries_means_none():
    assert Backoff(max_retries=0).pause(1, JSONModeError("x")) is None
