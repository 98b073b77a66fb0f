"""Questions packed into batches, for which no request is needed."""

from __future__ import annotations

import json

import pytest

from cf_llama import ChatRequest, InvalidRequestError
from cf_llama.batch.packing import pack
from cf_llama.batch.payloads import Item


def items(*requests):
    return [Item(str(n), request) for n, request in enumerate(requests)]


def references(submissions):
    return ["".join(item.reference for item in each.items) for each in submissions]


def test_a_batch_is_a_body_with_its_items_in_order():
    submissions, refused = pack(items(ChatRequest(prompt="a"), ChatRequest(prompt="b")), messages=True, max_bytes=5000)
    [one] = submissions
    assert refused == []
    assert [item["external_reference"] for item in one.request.content["requests"]] == ["0", "1"]
    assert not one.request.repeatable


@pytest.mark.parametrize("text", ["x" * 500, "å" * 90, '"' * 250])
def test_no_batch_is_larger_than_allowed_and_none_could_take_the_next_item(text):
    asked = items(*[ChatRequest(prompt=text)] * 20)
    submissions, _ = pack(asked, messages=True, max_bytes=4000)
    sizes = [len(json.dumps(each.request.content).encode()) for each in submissions]
    assert max(sizes) <= 4000
    assert len(submissions) > 1
    assert min(sizes[:-1]) > 4000 - 2 * max(sizes) / len(submissions[0].items)
    assert "".join(references(submissions)) == "".join(item.reference for item in asked)


def test_what_is_too_large_or_unknown_to_the_queue_is_refused_alone():
    asked = items(ChatRequest(prompt="x"), ChatRequest(prompt="x" * 2000), ChatRequest(prompt="x", top_k=3))
    submissions, refused = pack(asked, messages=True, max_bytes=1000)
    assert references(submissions) == ["0"]
    assert [outcome.reference for outcome in refused] == ["1", "2"]
    assert all(type(outcome.error) is InvalidRequestError for outcome in refused)
    assert ["larger than 1,000 bytes" in str(refused[0].error), "top_k" in str(refused[1].error)] == [True, True]


def test_a_batch_is_for_one_model():
    submissions, _ = pack(
        items(*(ChatRequest(prompt="x", model=f"@cf/a/{name}") for name in "aab")), messages=True, max_bytes=5000
    )
    assert [each.request.model for each in submissions] == ["@cf/a/a", "@cf/a/b"]
    assert references(submissions) == ["01", "2"]
