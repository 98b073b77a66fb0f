"""The command `batch`, against an emulator."""

from __future__ import annotations

import io
import json
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

from cf_llama import JournalError, Limits, Usage
from cf_llama.batch.job import Job, Progress
from cf_llama.cli.batch import ProgressBar
from cf_llama.cli.commands import root

LIMITS = Limits(20, 60.0, "fixed", 20, 1, 12.4, 0, None, None)
QUICK = ("--batch", "first_poll=0.02", "--batch", "longest_poll=0.05")


@pytest.fixture
def batch(emulator, tmp_path):
    """Return a function that writes a file, runs the command, and returns what it said and what it wrote."""

    def run(text, *arguments, name="in.jsonl"):
        (tmp_path / name).write_text(text, "utf-8")
        out = tmp_path / "out.jsonl"
        done = CliRunner().invoke(root, ["batch", str(tmp_path / name), str(out), *QUICK, *arguments])
        return done, [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else None

    return run


def lines(*rows):
    return "\n".join(map(json.dumps, rows))


def test_rows_of_jsonl_are_answered_in_order(batch):
    done, answers = batch(
        lines({"prompt": "One"}, {"messages": [{"role": "user", "content": "Two"}], "reference": "second"})
    )
    assert done.exit_code == 0, done.output
    assert [(each["reference"], each["text"]) for each in answers] == [
        ("1", "You said: One"),
        ("second", "You said: Two"),
    ]
    assert "2 of 2 rows, 0 failed, " in done.output
    assert " tokens, $0.0" in done.output


def test_rows_of_csv_fill_a_prompt(batch, emulator):
    done, answers = batch(
        "word,to\nhus,English\nbåt,French\n",
        *("--prompt", "{word} in {to}", "--system", "Be brief", "--set", "temperature=0", "--set", "max_tokens=50"),
        name="in.csv",
    )
    assert done.exit_code == 0, done.output
    assert [each["text"] for each in answers] == ["You said: hus in English", "You said: båt in French"]
    [item, _] = next(seen.body["requests"] for seen in emulator.requests if "messages" in seen.content.decode())
    assert item["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (item["temperature"], item["max_tokens"]) == (0, 50)


def test_the_same_command_goes_on_and_asks_nothing_twice(batch, emulator):
    batch(lines({"prompt": "One"}))
    seen = len(emulator.requests)
    done, answers = batch(lines({"prompt": "One"}))
    assert done.exit_code == 0
    assert len(answers) == 1
    assert len(emulator.requests) == seen
    _, answers = batch(lines({"prompt": "One"}, {"prompt": "Two"}))
    assert [each["text"] for each in answers] == ["You said: One", "You said: Two"]


def test_another_request_does_not_go_on_with_the_same_journal(batch):
    batch(lines({"prompt": "One"}))
    done, _ = batch(lines({"prompt": "One"}), "--system", "Be brief")
    assert done.exit_code == 1
    assert "another request or other settings; remove " in done.output


def test_other_rows_do_not_go_on_with_the_same_journal(batch):
    batch(lines({"prompt": "One"}, {"prompt": "Two"}))
    done, _ = batch(lines({"prompt": "One"}, {"prompt": "Other"}))
    assert "the row '2' is there already" in done.output
    done, _ = batch(lines({"prompt": "One"}))
    assert "rows that IN has not" in done.output


@pytest.mark.parametrize("second", [{"prompt": "One"}, {"prompt": "Two"}])
def test_no_row_is_lost_to_another_of_the_same_reference(batch, emulator, second):
    done, answers = batch(lines({"prompt": "One", "reference": "a"}, second | {"reference": "a"}))
    assert (done.exit_code, answers, emulator.requests) == (1, None, [])
    assert "a reference comes twice" in done.output or "the row 'a' is there already" in done.output


def test_a_file_that_is_no_output_of_this_command_is_kept(batch, tmp_path):
    (tmp_path / "out.jsonl").write_text('{"my": "data"}', "utf-8")
    done, answers = batch(lines({"prompt": "One"}))
    assert "choose another OUT" in done.output
    assert answers == [{"my": "data"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("word,to\nhus\n", "line 2 must have as many fields as the first line"),
        ("word,to\nhus,English,x\n", "line 2 must have as many fields as the first line"),
        ('word,to\n"hus,English\n', "is no CSV"),
    ],
)
def test_csv_that_lacks_something_is_refused(batch, emulator, text, said):
    done, _ = batch(text, "--prompt", "{word} in {to}", name="in.csv")
    assert (done.exit_code, emulator.requests) == (1, [])
    assert said in done.output


def test_csv_may_hold_line_feeds_quotes_and_long_fields(batch):
    text = '\ufeffword\r\n"two\nlines, and a ""quote"""\r\n\r\n' + "x" * 200_000 + "\r\n"
    done, answers = batch(text, "--prompt", "{word}", "--dry-run", name="in.csv")
    assert (done.output[:7], answers) == ("2 rows,", None)


def test_a_file_in_another_encoding_is_refused(batch, tmp_path):
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "é"}'.encode("latin-1"))
    done = CliRunner().invoke(root, ["batch", str(tmp_path / "latin.jsonl"), str(tmp_path / "out.jsonl")])
    assert "latin.jsonl is not in UTF-8" in done.output


def test_a_dry_run_prices_and_sends_nothing(batch, emulator):
    done, answers = batch(lines({"prompt": "One"}, {"prompt": "Two"}), "--dry-run", "--set", "max_tokens=1000")
    assert done.exit_code == 0
    assert done.output.startswith("2 rows, ")
    assert "up to $0.0045 more" in done.output  # 2,000 tokens at $2.253 a million
    assert answers is None
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ('{"prompt": "One"}\n{"prompt"', (), "in.jsonl, line 2 is no JSON"),
        ("[1]", (), "in.jsonl, line 1 must be an object"),
        ('{"text": "One"}', (), "row 1: needs `prompt` or `messages`, or --prompt 'Translate {text}'"),
        ('{"text": "One"}', ("--prompt", "{word}"), "row 1: there is no field 'word'"),
        ('{"text": "One"}', ("--prompt", 'Give {"a": 1}'), "braces that are meant as such are written twice"),
        ('{"text": "One"}', ("--prompt", "{text.x}"), "row 1: 'str' object has no attribute 'x'"),
        ('{"text": null}', ("--prompt", "{text}"), "row 1: the field 'text' is null"),
        ('{"messages": []}', (), "row 1: messages must not be empty"),
        ('{"messages": "One"}', (), "row 1: messages must be a list of objects"),
        ('{"prompt": "One"}', ("--set", "temperature=9"), "temperature: must be from 0 to 5"),
        ('{"prompt": "One"}', ("--set", "warmth=9"), "warmth: no such setting"),
        ('{"prompt": "One"}', ("--set", "warmth"), "must be NAME=VALUE"),
        ('{"prompt": "One"}', ("--batch", "max_items=0"), "max_items: "),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_sent(batch, emulator, text, arguments, said):
    done, answers = batch(text, *arguments)
    assert done.exit_code == (2 if "--set" in arguments else 1)
    assert said in done.output
    assert answers is None
    assert emulator.requests == []
    assert batch('{"prompt": "One"}', "--set", "max_tokens=50")[0].exit_code == 0, "mended, it begins anew"


def test_a_full_disk_is_said(batch, monkeypatch):
    def full(*_):
        raise JournalError("the journal x cannot be used: make room")

    monkeypatch.setattr(Job, "run", full)
    done, _ = batch(lines({"prompt": "One"}))
    assert (done.exit_code, done.output) == (
        1,
        "Error: the journal x cannot be used: make room\n",
    )


@pytest.mark.parametrize("width", [30, 60, 100])
def test_a_narrow_terminal_shows_all_of_the_progress(width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with ProgressBar(console, lambda: LIMITS) as bar:
        bar(Progress(3000, 900, 5, 2, Usage(10_000, 5_000, 15_000)))
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[━╸╺]", "", console.file.getvalue()).split()
    told = "905 of 3,000 rows, 5 failed, 2 doubtful, 15,000 tokens, $0.0142, waiting for the limit, 0 s"
    assert set(told.split()) <= set(shown)
    assert "-:--:--" in shown


def test_where_there_is_no_terminal_there_is_no_progress():
    console = Console(file=io.StringIO(), force_terminal=False)
    with ProgressBar(console, lambda: LIMITS) as bar:
        bar(Progress(3000, 900, 5, 2, Usage()))
    assert console.file.getvalue() == ""


def test_what_stops_the_job_is_said_and_nothing_is_lost(batch, monkeypatch, emulator):
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "wrong")
    done, answers = batch(lines({"prompt": "One"}))
    assert (done.exit_code, answers) == (1, None)
    assert "Authentication error" in done.output
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)
    assert batch(lines({"prompt": "One"}))[1][0]["text"] == "You said: One"


def test_an_option_that_is_none_is_a_usage_error(batch, emulator):
    done, answers = batch('{"prompt": "Hi"}', "--batch", "max_item=20")
    assert (done.exit_code, answers) == (2, None)
    assert "--batch max_item: no such setting; did you mean max_items?" in done.output
    assert not emulator.requests
