"""The command `tokens`."""

import json

import pytest

from cf_llama.protocol import tokens

exact = pytest.mark.skipif(not tokens.is_exact(), reason="the extra `tokens` is not installed")


@exact
def test_a_file_is_counted_exactly(run, tmp_path):
    (tmp_path / "text").write_text("Hello world", "utf-8")
    done = run("tokens", tmp_path / "text")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "tokens of the text          2",
        "as a message               14",
        "left of 24,000         23,986",
        "cost of the input   $0.000004",
    ]


@exact
@pytest.mark.parametrize("argument", [(), ("-",)])
def test_json_counts_the_standard_input(run, argument):
    assert json.loads(run("tokens", *argument, "--json", stdin="Hello world").stdout) == {
        "tokens": 2,
        "exact": True,
        "message_tokens": 14,
        "context_window": 24_000,
        "left": 23_986,
        "cost_usd": pytest.approx(14 * 0.293e-6),
    }


def test_a_text_that_does_not_fit_is_said_not_to(run):
    done = run("tokens", stdin="word " * 25_000)
    assert done.exit_code == 0
    assert "left of 24,000" in done.stdout
    assert done.stdout.endswith("The text does not fit into the context window.\n")


def test_an_estimate_says_how_to_count_exactly(run, monkeypatch):
    monkeypatch.setattr(tokens, "_encoding", lambda: None)
    assert "pip install 'cf-llama[tokens]'" in run("tokens", stdin="Hello").stderr
    assert json.loads(run("tokens", "--json", stdin="Hello").stdout)["exact"] is False


def test_what_is_no_text_is_refused(run, tmp_path):
    (tmp_path / "image").write_bytes(b"abc\xff")
    done = run("tokens", tmp_path / "image")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the text is not in UTF-8: invalid start byte, byte 3" in done.stderr


def test_a_file_that_is_not_there_is_a_usage_error(run):
    assert run("tokens", "/none.txt").exit_code == 2
