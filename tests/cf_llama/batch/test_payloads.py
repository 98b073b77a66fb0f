"""Items as they go out, and results in every form they come back in."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama import BadResponseError, CapacityError, ChatRequest, InvalidRequestError, ServiceError, Usage
from cf_llama.batch.payloads import Item, Outcome, item_body, item_size, read_request_id, read_results
from cf_llama.protocol import json_values
from cf_llama.protocol.chat_template import render
from cf_llama.protocol.errors import ToolChoiceError
from cf_llama.transport.json_call import JSONResponse

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {}}}


def page(result, **envelope):
    body = json.dumps({"result": result, "success": True, "errors": [], "messages": []} | envelope)
    return JSONResponse(200, {"cf-ray": "ray"}, json_values.parse_exactly(body))


def items(count, **fields):
    return [Item(f"ref-{n}", ChatRequest(messages=HI, **fields)) for n in range(count)]


def texts(results):
    return [outcome.reply.text if outcome.reply else type(outcome.error).__name__ for outcome in results.outcomes]


# out


def test_an_item_has_messages_or_the_templates_prompt():
    item = Item("a", ChatRequest(messages=HI, temperature=0.5, max_tokens=7, stop=("x",)))
    rest = {"max_tokens": 7, "temperature": 0.5, "external_reference": "a"}
    assert item_body(item, messages=True) == {"messages": HI} | rest
    assert item_body(item, messages=False) == {"prompt": render(HI)} | rest


def test_tools_go_beside_messages_or_into_the_prompt():
    item = Item("a", ChatRequest(messages=HI, tools=[TOOL], tool_choice="add"))
    beside = item_body(item, messages=True)
    assert beside["tools"] == list(item.request.tools)
    assert beside["tool_choice"] == item.request.tool_choice
    inside = item_body(item, messages=False)
    plea = {"role": "user", "content": "Answer with a call of add and with nothing else."}
    assert inside["prompt"] == render([*HI, plea], item.request.tools)
    assert not {"tools", "tool_choice"} & inside.keys()
    free = Item("a", ChatRequest(messages=HI, tools=[TOOL]))
    assert item_body(free, messages=False)["prompt"] == render(HI, free.request.tools)
    silent = Item("a", ChatRequest(messages=HI, tools=[TOOL], tool_choice="none"))
    assert item_body(silent, messages=False)["prompt"] == render(HI)


@pytest.mark.parametrize("messages", [True, False])
def test_a_prompt_is_a_users_turn_unless_it_is_raw(messages):
    assert item_body(Item("a", ChatRequest(prompt="Hi")), messages=messages)["prompt"] == render(HI)
    assert item_body(Item("a", ChatRequest(prompt="Hi", raw=True)), messages=messages)["prompt"] == "Hi"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"top_k": 3}, "top_k"),
        ({"lora": "mine"}, "lora"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"frequency_penalty": -0.1}, "frequency_penalty must be from 0 to 2"),
        ({"presence_penalty": -2}, "presence_penalty must be from 0 to 2"),
    ],
)
def test_what_the_queue_does_not_know_is_refused(fields, text):
    with pytest.raises(InvalidRequestError, match=text):
        item_body(Item("a", ChatRequest(messages=HI, **fields)), messages=False)


@given(st.text(min_size=1))
def test_the_size_is_no_less_than_what_is_sent(text):
    body = item_body(Item("a", ChatRequest(prompt=text)), messages=False)
    assert item_size(body) > len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


# the id


def test_a_batch_that_was_taken_has_an_id():
    assert read_request_id(page({"status": "queued", "request_id": "x"})) == "x"
    assert read_request_id(JSONResponse(200, {}, {"request_id": "x"})) == "x"


@pytest.mark.parametrize("result", [{"status": "queued"}, {"request_id": ""}, {"request_id": None}, [], None])
def test_a_batch_without_id_cannot_be_read(result):
    with pytest.raises(BadResponseError, match="request_id"):
        read_request_id(page(result))


# back


@pytest.mark.parametrize("status", ["queued", "running", "processing", "pending"])
def test_nothing_yet(status):
    assert read_results(page({"status": status, "request_id": "x"}), items(1)) is None


def test_an_id_alone_is_nothing_yet():
    assert read_results(page({"request_id": "x"}), items(1)) is None


@pytest.mark.parametrize("part", [[], [{"id": 0, "success": True, "result": {"response": "a"}}]])
def test_part_of_the_results_is_nothing_yet_while_the_batch_runs(part):
    assert read_results(page({"status": "running", "responses": part}), items(2)) is None


def test_a_failure_in_place_of_results_says_why():
    with pytest.raises(ServiceError, match="Model execution failed") as caught:
        read_results(page({"requestId": "x", "message": "Model execution failed", "internalCode": 5001}), items(2))
    assert (caught.value.code, caught.value.is_retryable) == (5001, True)


@pytest.mark.parametrize("reference", [None, 7, ["ref-0"], {"a": 1}])
def test_a_strange_reference_is_as_none(reference):
    found = [{"id": 1 - n, "external_reference": reference, "result": {"response": str(1 - n)}} for n in range(2)]
    assert texts(read_results(page({"responses": found}), items(2))) == ["0", "1"]


def test_any_other_status_is_the_end():
    with pytest.raises(ServiceError, match="'failed'"):
        read_results(page({"status": "failed"}), items(1))


@pytest.mark.parametrize("result", [{}, {"x": 1}, None])
def test_what_is_neither_status_nor_results_cannot_be_read(result):
    with pytest.raises(BadResponseError):
        read_results(page(result), items(1))


ANSWERS = {
    "plain": lambda n: {"result": {"response": f"a{n}"}},
    "text alone": lambda n: {"result": f"a{n}"},
    "nested": lambda n: {"result": {"result": {"response": f"a{n}"}}},
    "openai": lambda n: {"result": {"choices": [{"message": {"content": f"a{n}"}, "finish_reason": "stop"}]}},
    "empty calls": lambda n: {"result": {"response": f"a{n}", "tool_calls": [{}]}},
}
KEYS = {
    "id": lambda n: {"id": n},
    "index": lambda n: {"index": n},
    "text": lambda n: {"id": str(n)},
    "reference": lambda n: {"external_reference": f"ref-{n}"},
    "both": lambda n: {"id": n, "external_reference": f"ref-{n}"},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("name", ["responses", "results"])
def test_every_form_in_any_order(answer, key, name):
    listed = [answer(n) | key(n) | {"success": True} for n in range(5)]
    random.Random(1).shuffle(listed)
    assert texts(read_results(page({name: listed}), items(5))) == ["a0", "a1", "a2", "a3", "a4"]


def test_a_single_question_may_be_answered_bare():
    results = read_results(page({"response": "a", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}), items(1))
    assert texts(results) == ["a"]
    assert results.usage == results.outcomes[0].reply.usage == Usage(1, 2, 3)


def test_without_any_name_the_place_counts_where_none_is_missing():
    listed = [{"success": True, "result": {"response": f"a{n}"}} for n in range(2)]
    assert texts(read_results(page({"responses": listed}), items(2))) == ["a0", "a1"]
    assert texts(read_results(page({"responses": listed}), items(3))) == ["BadResponseError"] * 3


@pytest.mark.parametrize(
    ("key", "references"),
    [("reference", ["ref-1", "ref-0"]), ("both", ["ref-1", "ref-0"]), ("id", ["1", "0"]), ("index", ["1", "0"])],
)
def test_results_of_unknown_questions_bring_their_own_references(key, references):
    listed = [{"success": True, "result": {"response": f"a{n}"}} | KEYS[key](n) for n in (1, 0)]
    results = read_results(page({"responses": listed}), [])
    assert [outcome.reference for outcome in results.outcomes] == references
    assert texts(results) == ["a1", "a0"]


def test_an_index_that_no_batch_can_have_belongs_to_nothing():
    listed = [{"id": "9" * 5000, "result": {"response": "a"}}]
    assert texts(read_results(page({"responses": listed}), items(2))) == ["BadResponseError"] * 2


def test_a_status_that_is_no_text_is_none_of_a_batch_that_runs():
    with pytest.raises(ServiceError):
        read_results(page({"status": ["queued"]}), items(1))


@pytest.mark.parametrize("reference", [{}, [], 7, None])
def test_a_reference_that_is_no_text_belongs_to_nothing(reference):
    listed = [{"external_reference": reference, "id": 1, "result": {"response": "a"}}]
    assert texts(read_results(page({"responses": listed}), items(2))) == ["BadResponseError", "a"]


def test_results_of_unknown_questions_without_references_have_places():
    listed = [{"success": True, "result": {"response": "a"}}, 7]
    results = read_results(page({"responses": listed}), [])
    assert [outcome.reference for outcome in results.outcomes] == ["0", "1"]
    assert texts(results) == ["a", "7"]
    assert texts(read_results(page({"response": "bare"}), [])) == ["bare"]


def test_missing_foreign_and_repeated_results():
    listed = [
        {"id": 2, "success": True, "result": {"response": "first"}},
        {"id": 2, "success": True, "result": {"response": "second"}},
        {"id": 9, "success": True, "result": {"response": "foreign"}},
        7,
    ]
    results = read_results(page({"responses": listed}), items(3))
    assert texts(results) == ["BadResponseError", "BadResponseError", "first"]
    assert results.outcomes[0].error.is_retryable
    assert "lack this item" in str(results.outcomes[0].error)


@pytest.mark.parametrize(
    ("failure", "kind", "retryable"),
    [
        ({"error": "AiError: Internal server error"}, ServiceError, True),
        ({"error": {"code": 3040, "message": "Capacity"}}, CapacityError, True),
        ({"error": {"code": 5006, "message": "Bad"}}, InvalidRequestError, False),
        ({"errors": [{"code": "3040", "message": "Capacity"}]}, CapacityError, True),
        ({}, ServiceError, True),
    ],
)
def test_an_item_fails_alone(failure, kind, retryable):
    listed = [{"id": 0, "success": False} | failure, {"id": 1, "success": True, "result": {"response": "a"}}]
    failed, answered = read_results(page({"responses": listed}), items(2)).outcomes
    assert type(failed.error) is kind
    assert (failed.error.is_retryable, failed.error.status) == (retryable, 200)
    assert answered.reply.text == "a"


def test_an_item_without_an_answer_can_be_asked_again():
    [outcome] = read_results(page({"responses": [{"id": 0, "success": True, "result": {}}]}), items(1)).outcomes
    assert outcome == Outcome(reference="ref-0", error=outcome.error)
    assert outcome.error.is_retryable


def test_answers_are_read_as_any_others():
    """Numbers as written, stop sequences, and calls that came as text."""
    asked = [
        Item("0", ChatRequest(messages=HI)),
        Item("1", ChatRequest(messages=HI, stop=("END",))),
        Item("2", ChatRequest(messages=HI, tools=[TOOL])),
        Item("3", ChatRequest(messages=HI, tools=[TOOL], tool_choice="add")),
    ]
    body = (
        '{"result": {"responses": [{"id": 0, "result": {"response": 3e50}, "success": true},'
        '{"id": 1, "result": {"response": "one END two"}, "success": true},'
        '{"id": 2, "result": {"response": {"name": "add", "parameters": {}}}, "success": true},'
        '{"id": 3, "result": {"response": "no"}, "success": true}]}, "success": true}'
    )
    number, stopped, called, forced = read_results(
        JSONResponse(200, {}, json_values.parse_exactly(body)), asked
    ).outcomes
    assert number.reply.text == "3e50"
    assert stopped.reply.text == "one "
    assert [call.name for call in called.reply.tool_calls] == ["add"]
    assert isinstance(forced.error, ToolChoiceError)


def test_usage_is_that_of_the_parts_or_else_of_the_whole():
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    parts = [{"index": n, "success": True, "result": {"response": "a", "usage": usage}} for n in range(2)]
    assert read_results(page({"results": parts}), items(2)).usage == Usage(20, 10, 30)
    whole = [{"id": 0, "success": True, "result": {"response": "a"}}]
    one = read_results(page({"responses": whole, "usage": usage}), items(1))
    assert one.usage == one.outcomes[0].reply.usage == Usage(10, 5, 15)
    assert not one.outcomes[0].reply.usage_is_share
    assert read_results(page({"responses": whole}), items(1)).usage == Usage()


def test_answers_have_shares_of_what_the_whole_used():
    listed = [
        {"id": 0, "success": True, "result": {"response": "a" * 30}},
        {"id": 1, "success": False, "error": "no"},
        {"id": 2, "success": True, "result": {"response": "a" * 10}},
    ]
    usage = {"prompt_tokens": 11, "completion_tokens": 8, "total_tokens": 19}
    results = read_results(page({"responses": listed, "usage": usage}), items(3))
    first, failed, last = results.outcomes
    assert (first.reply.usage.completion_tokens, last.reply.usage.completion_tokens) == (6, 2)
    assert first.reply.usage + last.reply.usage == results.usage == Usage(11, 8, 19)
    assert first.reply.metadata()["usage_is_share"]
    assert failed.reply is None


def test_neurons_of_a_poll_are_not_those_of_each_answer():
    listed = [{"index": n, "success": True, "result": {"response": "a"}} for n in range(2)]
    polled = replace(page({"results": listed}), headers={"cf-ai-neurons": "3.5"})
    assert [each.reply.response_metadata.neurons for each in read_results(polled, items(2)).outcomes] == [None, None]
