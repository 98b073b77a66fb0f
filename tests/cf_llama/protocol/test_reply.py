"""Values of an answer: they compare, travel and stay as they are."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from cf_llama import Delta, Reply, ResponseMetadata, ToolCall, Usage

CALL = ToolCall("x", "f", {"a": 1}, '{"a": 1}')
VALUES = [
    CALL,
    Usage(1, 2, 3, 0, 0.5),
    ResponseMetadata(ray_id="8f"),
    Reply("a", (CALL,)),
    Delta("a", (CALL,), Reply()),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_compare_and_travel(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert dataclasses.replace(value) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_do_not_change(value):
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_usage_has_a_price():
    assert Usage(1_000_000, 1_000_000, 2_000_000).cost == pytest.approx(0.293 + 2.253)
