"""Refusals on demand."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.cf_llama_emulator.client import ask_user

ASK = ask_user("Hello")


@pytest.fixture(scope="module")
def refused(rules):
    """Return a function that is refused by these faults."""
    return lambda faults, **body: rules.run(ASK | body, x_emulator_faults=faults)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("faults", "status", "code"),
    [
        ("error=3050", 503, 3050),
        ("error=12345", 400, 12345),
        ("rate-limited", 429, 3021),
        ("quota-spent", 429, 4006),
        ("quota-spent=3036", 429, 3036),
        ("capacity", 429, 3040),
        ("context-overflow", 413, 5021),
        ("guardrails", 400, 2016),
        ("guardrails=answer", 400, 2017),
        ("error=3043, status", 200, 3043),
        ("error=3043, status=599", 599, 3043),
        ("error=10000, status=403", 403, 10000),
        ("rate-limit=0, code", 401, 2009),
        ("quota=0, code=3036", 429, 3036),
        ("guardrails, capacity, quota-spent, rate-limited, context-overflow", 413, 5021),
        ("capacity, quota=0, rate-limited", 429, 3021),
        ("capacity, quota=0", 429, 4006),
    ],
)
def test_a_request_is_refused(refused, stream, faults, status, code):
    answer = refused(faults, stream=stream)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert answer.json()["success"] is False
    assert "retry-after" not in answer.headers


def test_a_search_is_refused_too(rules):
    answer = rules.http.get(f"{rules.account}/ai/models/search", headers={"x-emulator-faults": "error=10000"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, 10000)


def test_a_form_also_befalls_refusals_that_no_fault_made(rules):
    answer = rules.run({"messages": 1}, x_emulator_faults="form=gateway")
    assert answer.json()["error"][0]["code"] == 5006


@pytest.mark.parametrize(
    ("value", "header"),
    [("", {"retry-after": "30"}), ("=1.5", {"retry-after": "1.5"}), ("=20ms", {"retry-after-ms": "20"})],
)
def test_asks_to_wait(refused, value, header):
    answer = refused(f"capacity, retry-after{value}")
    assert {name: answer.headers[name] for name in header} == header


def test_asks_to_wait_until_a_date(refused):
    until = parsedate_to_datetime(refused("capacity, retry-after=60date").headers["retry-after"])
    assert 30 < (until - datetime.now(UTC)).total_seconds() <= 60
