"""What calls from the command line have cost: the record, and the command `usage`."""

import json
import re
import sqlite3

import pytest

from cf_llama import Reply, Usage
from cf_llama.cli.usage_file import Entry, UsageFile, entry_of

ENTRY = Entry(
    time="2026-11-27T10:00:00+00:00",
    command="ask",
    host="api.cloudflare.com",
    model="@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    prompt_tokens=1000,
    completion_tokens=100,
    neurons=47.1,
    cost_usd=0.000518,
)


@pytest.fixture(params=["usage.jsonl", "usage.db", "usage.SQLITE"])
def file(request, tmp_path):
    return tmp_path / request.param


def test_entries_come_back_in_their_order(file):
    other = Entry(**{name: None if name == "neurons" else getattr(ENTRY, name) for name in Entry.__slots__})
    record = UsageFile(file)
    assert list(record.entries()) == []
    assert not file.exists()
    record.append(ENTRY)
    UsageFile(file).append(other)
    assert list(record.entries()) == [ENTRY, other]


def test_the_kind_of_the_file_is_that_of_its_name(tmp_path):
    for name in ("a.db", "a.jsonl"):
        UsageFile(tmp_path / name).append(ENTRY)
    assert json.loads((tmp_path / "a.jsonl").read_text("utf-8"))["neurons"] == 47.1
    database = sqlite3.connect(tmp_path / "a.db")
    assert database.execute("SELECT sum(cost_usd) FROM usage").fetchone() == (0.000518,)
    database.close()


def test_a_reply_without_usage_makes_no_entry():
    assert entry_of(Reply("Hi"), "ask", "host") is None
    entry = entry_of(Reply("Hi", usage=Usage(10, 2, 12), model=ENTRY.model), "ask", "host")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", entry.time)
    assert (entry.prompt_tokens, entry.completion_tokens, entry.neurons) == (10, 2, None)
    assert entry.cost_usd == pytest.approx(10 * 0.293e-6 + 2 * 2.253e-6)


@pytest.mark.parametrize(
    ("command", "calls"),
    [(("ask", "Hi"), 1), (("ask", "Hi", "--stream"), 1), (("chat",), 2), (("doctor",), 5)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_calls_are_recorded_where_the_variable_says(run, emulator, file, command, calls):
    done = run(*command, stdin="Hi\nHi again\n", env={"CF_LLAMA_USAGE": str(file)})
    assert done.exit_code == 0
    entries = list(UsageFile(file).entries())
    assert [(entry.command, entry.host) for entry in entries] == [(command[0], "127.0.0.1")] * calls
    assert all(entry.completion_tokens and entry.cost_usd for entry in entries)


def test_what_is_not_asked_for_is_not_recorded(run, emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("ask", "Hi").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_broke_off_is_recorded_as_far_as_it_was_billed(run, scripted, file):
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    scripted.streams({"response": "One", "usage": usage}, done=False, ending="cut")
    assert run("ask", "Count", "--stream", "--usage-file", file).exit_code == 1
    [entry] = UsageFile(file).entries()
    assert (entry.prompt_tokens, entry.completion_tokens) == (9, 1)


@pytest.mark.parametrize("name", ["none/usage.jsonl", "none/usage.db"])
def test_an_answer_is_not_lost_to_a_file_that_cannot_be_written(run, emulator, tmp_path, name):
    done = run("ask", "Hi", "--usage-file", tmp_path / name)
    assert (done.exit_code, done.stdout) == (0, "You said: Hi\n")
    assert done.stderr.startswith("Warning: usage is not recorded: ")


def test_usage_is_a_table_by_day_and_host_with_a_total(run, file):
    record = UsageFile(file)
    days = {"2026-11-27T23:59:59+00:00": None, "2026-11-26T00:00:00+00:00": 10.0, "2026-11-27T00:00:00+00:00": 1.5}
    for time, neurons in days.items():
        record.append(
            Entry(**{name: getattr(ENTRY, name) for name in Entry.__slots__} | {"time": time, "neurons": neurons})
        )
    record.append(Entry(**{name: getattr(ENTRY, name) for name in Entry.__slots__} | {"host": "127.0.0.1"}))
    done = run("usage", "--usage-file", file)
    assert done.stdout.splitlines() == [
        "day (UTC)   host                calls  tokens in  out  neurons       cost",
        "2026-11-26  api.cloudflare.com      1      1,000  100     10.0  $0.000518",
        "2026-11-27  127.0.0.1               1      1,000  100     47.1  $0.000518",
        "2026-11-27  api.cloudflare.com      2      2,000  200     48.6  $0.001036",
        "total                               4      4,000  400    105.7  $0.002072",
    ]
    told = json.loads(run("usage", "--usage-file", file, "--json").stdout)
    assert [(day["day"], day["host"], day["calls"]) for day in told["days"]] == [
        ("2026-11-26", "api.cloudflare.com", 1),
        ("2026-11-27", "127.0.0.1", 1),
        ("2026-11-27", "api.cloudflare.com", 2),
    ]
    assert (told["total"]["calls"], told["total"]["cost_usd"]) == (4, pytest.approx(4 * 0.000518))


def test_without_the_variable_it_says_how_to_begin(run):
    done = run("usage")
    assert done.exit_code == 0
    assert "export CF_LLAMA_USAGE=" in done.stdout
    assert json.loads(run("usage", "--json").stdout)["days"] == []


def test_a_file_that_is_not_there_yet_has_nothing(run, file):
    assert run("usage", "--usage-file", file).stdout == f"Nothing is recorded yet in {file}.\n"


def test_a_file_that_is_no_record_is_named(run, file):
    file.write_text('{"my": "data"}\n', "utf-8")
    done = run("usage", "--usage-file", file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(file) in done.stderr
