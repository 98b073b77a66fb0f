"""A limit on what is begun in a minute, on a clock that stands still."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.transport.rate_limit import Rate

ROUNDED = 1e-9


@given(st.integers(1, 5), st.lists(st.floats(0, 50), max_size=40))
def test_no_minute_has_more(per_minute, pauses):
    rate, now, begun = Rate(per_minute), 0.0, []
    for pause in pauses:
        now += pause
        begun.append(now + rate.reserve(now))
    for first, last in pairwise(begun):
        assert last - first >= -ROUNDED
    for first, last in zip(begun, begun[per_minute:], strict=False):
        assert last - first >= 61 - ROUNDED


def test_nobody_waits_without_need():
    rate = Rate(2)
    assert [rate.reserve(now) for now in (0, 1, 2, 62.5)] == [0, 0, 59, 0]


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="per_minute must be 1 or more, not 0"):
        Rate(0)
