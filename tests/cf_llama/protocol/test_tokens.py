"""Counts of tokens: exact with the model's tokenizer, near without it."""

from __future__ import annotations

import pytest

from cf_llama.protocol import tokens

SAMPLES = [
    "The quick brown fox jumps over the lazy dog.",
    "Zürich liegt an der Limmat, und 1234567 Menschen wissen es.",
    '{"name": "get_status", "parameters": {"host": "web-1"}}',
    "def add(a, b):\n    return a + b\n",
]
exact = pytest.mark.skipif(not tokens.is_exact(), reason="the extra `tokens` is not installed")


@pytest.fixture
def estimating(monkeypatch):
    monkeypatch.setattr(tokens, "_encoding", lambda: None)


@exact
def test_ids_are_those_of_the_published_vocabulary():
    assert tokens.encode("Hello world") == [9906, 1917]
    assert tokens.encode("<|eot_id|>") != [128009]


@exact
@pytest.mark.parametrize("text", ["", "Hello", *SAMPLES, " " * 50_000, "a" * 50_000])
def test_a_count_is_as_many_as_there_are_ids(text):
    assert tokens.count_text(text) == len(tokens.encode(text))


@exact
@pytest.mark.parametrize("text", SAMPLES)
def test_the_estimate_is_near(text, monkeypatch):
    count = tokens.count_text(text)
    monkeypatch.setattr(tokens, "_encoding", lambda: None)
    assert tokens.count_text(text) == pytest.approx(count, rel=0.4)


def test_without_the_tokenizer_ids_are_refused_and_counts_are_not(estimating):
    assert not tokens.is_exact()
    assert tokens.count_text("") == 0
    assert tokens.count_text("Hello world") == 2
    with pytest.raises(ImportError, match=r"cf-llama\[tokens\]"):
        tokens.encode("Hello")


def test_every_part_of_a_request_counts():
    user = {"role": "user", "content": "What is the state of web-1?"}
    call = {"id": "x", "type": "function", "function": {"name": "get_status", "arguments": '{"host": "web-1"}'}}
    tool = {"type": "function", "function": {"name": "get_status", "description": "State", "parameters": {}}}
    alone = tokens.count_messages([user])
    assert alone > tokens.count_text(user["content"])
    assert tokens.count_messages([user, user]) > alone + tokens.count_text(user["content"])
    assert tokens.count_messages([user], [tool]) > alone + tokens.count_text("get_status")
    assistant = {"role": "assistant", "content": ""}
    with_call = tokens.count_messages([user, {**assistant, "tool_calls": [call]}])
    assert with_call > tokens.count_messages([user, assistant])
