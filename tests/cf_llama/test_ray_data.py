"""Questions of Ray Data: the callable by itself, and on a local Ray in a process of its own."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cf_llama import AuthenticationError, RateLimit, Usage
from cf_llama.ray_data import COLUMNS, Account, Ask, Ledger, Spent
from cf_llama_emulator.server import serve

PROCESS = Path(__file__).parent / "ray_process.py"
with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray, an extra, is not installed")


class Shared:
    """An account without an actor."""

    per_minute = 300

    def __init__(self):
        self.places, self.bill = 0, Ledger()

    def acquire(self, key, limit):
        assert (limit.requests, limit.seconds) == (300, 60)
        self.places += 1
        return self.bill.acquire(key, limit)

    def add(self, spent):
        self.bill.add(spent)


def test_every_row_is_asked_and_keeps_its_columns(emulator):
    shared = Shared()
    ask = Ask("{text}, please", system="Be brief", settings={"temperature": 0}, account=shared)
    answered = ask({"key": [1, 2], "text": ["one", "two"]})
    assert answered["key"] == [1, 2]
    assert answered["answer"] == ["You said: one, please", "You said: two, please"]
    assert answered["finish_reason"] == ["stop", "stop"]
    assert answered["error"] == [None, None]
    assert shared.places == 2
    spent = shared.bill.spent()
    assert (spent.rows, spent.failed) == (2, 0)
    assert spent.usage.prompt_tokens == sum(answered["prompt_tokens"])
    assert spent.usage.cost == pytest.approx(sum(answered["cost_usd"]))
    bodies = [seen.body for seen in emulator.requests]
    assert [body["messages"][0] for body in bodies] == [{"role": "system", "content": "Be brief"}] * 2
    assert [body["temperature"] for body in bodies] == [0, 0]


def test_messages_come_out_of_a_column(emulator):
    answered = Ask(messages="talk")({"talk": [[{"role": "user", "content": "one"}], 7]})
    assert answered["answer"] == ["You said: one", None]
    assert answered["error"][1] == "InvalidRequestError: column 'talk' must hold lists of messages"


def test_errors_are_rows_too():
    with serve(faults="capacity") as running:
        settings = {"base_url": running.base_url, "account_id": running.account_id, "api_token": running.api_token}
        shared = Shared()
        ask = Ask("{text}", settings={**settings, "max_retries": 0}, account=shared, in_flight=1)
        answered = ask({"text": ["one", "two"]})
    assert answered["text"] == ["one", "two"]
    assert answered["answer"] == answered["prompt_tokens"] == [None, None]
    assert all(error.startswith("CapacityError: ") for error in answered["error"])
    assert (shared.bill.spent().rows, shared.bill.spent().failed) == (2, 2)


def test_requests_that_are_repeated_count_in_the_limit():
    with serve(faults="error=3043, times=1") as running:
        settings = {"base_url": running.base_url, "account_id": running.account_id, "api_token": running.api_token}
        shared = Shared()
        answered = Ask("{text}", settings=settings, account=shared)({"text": ["one", "two"]})
        assert answered["answer"] == ["You said: one", "You said: two"]
        assert shared.places == len(running.requests) == 4


def test_a_refused_account_is_raised(emulator, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "wrong")
    with pytest.raises(AuthenticationError):
        Ask("{text}")({"text": ["one"]})


@pytest.mark.parametrize(
    ("arguments", "batch", "message"),
    [
        ({}, {}, "exactly one of prompt and messages"),
        ({"prompt": "a", "messages": "b"}, {}, "exactly one of prompt and messages"),
        ({"prompt": "a", "in_flight": 0}, {}, "in_flight must be 1 or more"),
        ({"prompt": "a", "settings": {"temperature": 9}}, {}, "temperature"),
        ({"prompt": "{title}"}, {"text": ["one"]}, "no column 'title'; the columns are \\['text'\\]"),
        ({"prompt": "{text}"}, {"text": ["one"], "error": [""]}, "columns \\['error'\\] would be overwritten"),
    ],
)
def test_what_is_wrong_is_named(emulator, arguments, batch, message):
    with pytest.raises(ValueError, match=message):
        Ask(**arguments)(batch)
    assert not emulator.requests


def test_other_forms_of_a_batch_are_refused(emulator):
    with pytest.raises(TypeError, match="batch_format must be 'numpy'"):
        Ask("{text}")([{"text": "one"}])


def test_the_ledger_holds_the_limit():
    ledger, limit = Ledger(), RateLimit(2)
    assert [ledger.acquire("one", limit) for _ in range(2)] == [0, 0]
    assert 0 < ledger.acquire("one", limit) <= 61
    assert ledger.acquire("another", limit) == 0


def test_the_bill_is_one_line():
    assert str(Spent(1200, 3, Usage(1_000_000, 0, 1_000_000))) == "1,200 rows, 3 failed, 1,000,000 tokens, $0.2930"


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'cf-llama\[ray\]'"):
        Account()
    with pytest.raises(ValueError, match="per_minute"):
        Account(0)


@with_ray
def test_on_a_local_ray_every_row_comes_back_once(emulator, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    command = [sys.executable, str(PROCESS), "40", str(tmp_path / "answers")]
    done = subprocess.run(  # noqa: S603 - our own script
        command, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    answers = {row["key"]: row for row in told["answers"]}
    assert len(told["answers"]) == len(answers) == told["rows"] == len(emulator.requests) == 40
    assert all(row["answer"] == f"You said: page {key}" for key, row in answers.items())
    assert all(row.keys() == {"key", "text", *COLUMNS} for row in told["answers"])
    assert told["failed"] == 0
    assert told["tokens"] == sum(row["prompt_tokens"] + row["completion_tokens"] for row in told["answers"])
    assert emulator.api_token not in done.stdout + done.stderr
