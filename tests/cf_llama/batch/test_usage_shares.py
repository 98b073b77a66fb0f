"""Shares of what a batch used: they add up, and follow the lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.batch.usage_shares import usage_shares
from cf_llama.protocol.reply import Usage

COUNT = st.integers(0, 10_000)
LENGTHS = st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=20)


@given(COUNT, COUNT, COUNT, LENGTHS)
def test_they_add_up(prompt, completion, beyond, lengths):
    total = Usage(prompt, completion, prompt + completion + beyond, prompt // 2)
    questions, answers = zip(*lengths, strict=True)
    parts = usage_shares(total, questions, answers)
    assert sum(parts, Usage()) == total
    assert all(part.prompt_tokens >= 0 and part.completion_tokens >= 0 for part in parts)


@given(LENGTHS)
def test_neurons_add_up(lengths):
    questions, answers = zip(*lengths, strict=True)
    parts = usage_shares(Usage(100, 50, 150, neurons=3.5), questions, answers)
    assert sum(part.neurons for part in parts) == pytest.approx(3.5)


def test_they_follow_the_lengths():
    long, short = usage_shares(Usage(30, 8, 38), [200, 100], [10, 30])
    assert (long, short) == (Usage(20, 2, 22), Usage(10, 6, 16))


def test_where_nothing_has_a_length_all_have_the_same():
    assert usage_shares(Usage(4, 2, 6), [0, 0], [0, 0]) == [Usage(2, 1, 3)] * 2
