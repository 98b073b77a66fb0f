"""What error trackers show of a failed call: nothing secret anywhere, nothing of the answer in our own frames."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.tracked_program import ACCOUNT, ANSWERS, MARK, TEXT, TOKEN

PROGRAM = Path(__file__).with_name("tracked_program.py")
OURS = ("cf_llama/", "langchain_cf_llama/", "llama_index_cf_llama/")


@pytest.fixture(scope="module")
def shown():
    command = [sys.executable, str(PROGRAM)]
    done = subprocess.run(command, cwd=PROGRAM.parents[1], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_way_of_calling_fails_in_every_way(shown):
    assert Counter(each["answer"] for each in shown) == dict.fromkeys(ANSWERS, 16)


def test_no_tracker_shows_token_or_account(shown):
    for each in shown:
        for secret in (TOKEN, ACCOUNT):
            assert secret not in json.dumps(each), (each["answer"], each["call"])


def test_trackers_really_show_variables(shown):
    for each in shown:
        [*_, exception] = each["sentry"]["exception"]["values"]
        assert any(frame.get("vars") for frame in exception["stacktrace"]["frames"])
        assert any(variables for _, variables in each["locals"])
    assert any("locals" in each["rich"] for each in shown)


def test_no_variable_of_ours_holds_what_came(shown):
    """An error names what the service said, so where an error stands, its text does."""
    for each in shown:
        for file, variables in each["locals"]:
            ours = any(f"/{package}" in file for package in OURS)
            for name, value in variables.items():
                said = MARK in value and "Error(" not in value
                assert not (ours and (said or TEXT in value)), (each["answer"], each["call"], file, name)
