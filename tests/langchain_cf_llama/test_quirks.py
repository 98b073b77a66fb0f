"""What the service is known to write and other clients are known to lose, byte for byte, through the chat model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.tools import tool

from cf_llama_emulator.wire.engine_protocol import Raw
from langchain_cf_llama import errors
from langchain_cf_llama.invalid_tool_calls import MARK
from tests.langchain_cf_llama.support import folded


@tool
def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


def events(*payloads: Any, end: str = "data: [DONE]\n\n", field: str = "data: ") -> Raw:
    written = "".join(f"{field}{json.dumps(payload, ensure_ascii=False)}\n\n" for payload in payloads)
    return Raw(headers={"content-type": "text/event-stream"}, chunks=[(written + end).encode()])


def whole(result: Any) -> Raw:
    return Raw(
        headers={"content-type": "application/json"}, chunks=[json.dumps({"result": result, "success": True}).encode()]
    )


def openai(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def part(index: int, **function: Any) -> dict[str, Any]:
    return openai(tool_calls=[{"index": index, "function": function}])


USAGE = {"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11, "neurons": 0.29}
STEP = {"prompt_tokens": 0, "completion_tokens": 1, "total_tokens": 1, "neurons": 0.2}

TEXTS = {
    "a digit as a number": (
        events({"response": "The answer is "}, {"response": 6}, {"response": "."}),
        "The answer is 6.",
    ),
    "a zero as a number": (events({"response": "Temp "}, {"response": 0}, {"response": " C"}), "Temp 0 C"),
    "a digit in OpenAI's form": (events(openai(content="Temp "), openai(content=0), openai(content=" C")), "Temp 0 C"),
    "both copies": (events({"response": 4, **openai(content="4")}, {"response": " x", **openai(content=" x")}), "4 x"),
    "an empty list of calls": (events({"response": "a", "tool_calls": []}, {"response": "b", "tool_calls": []}), "ab"),
    "null beside text": (events({"response": None, "tool_calls": None}, {"response": "a"}), "a"),
    "line separators": (events({"response": "a\u2028b"}, {"response": "c\x85d"}), "a\u2028bc\x85d"),
    "no blank after data:": (events({"response": "a"}, {"response": "b"}, field="data:"), "ab"),
    "comments and padding": (events({"response": "a", "p": "xyz"}, field=": keepalive\n\ndata: "), "a"),
    "an answer that comes whole": (whole({"response": "a"}), "a"),
    "a leak of special tokens": (events({"response": "a<|eot_"}, {"response": "id|>"}), "a"),
}


@pytest.mark.parametrize(("answer", "text"), TEXTS.values(), ids=TEXTS)
def test_text_arrives_whole(native_stage, caller, answer, text):
    llm = native_stage.model(answer, answer)

    assert folded(caller.stream(llm, "hi")).content == text
    assert folded(caller.stream(llm.bind_tools([add]), "hi")).content == text


WHOLE_TEXTS = {
    "an object": ({"response": {"a": 1}}, '{"a": 1}'),
    "a list": ({"response": ["a", 1]}, '["a", 1]'),
    "a number": ({"response": 0}, "0"),
    "a truth": ({"response": True}, "true"),
    "nothing beside calls": ({"response": None, "tool_calls": []}, ""),
    "a call by name, with no tool offered": (
        {"response": {"name": "add", "arguments": {}}},
        '{"name": "add", "arguments": {}}',
    ),
}


@pytest.mark.parametrize(("result", "text"), WHOLE_TEXTS.values(), ids=WHOLE_TEXTS)
def test_text_that_was_parsed_on_the_way_is_text_again(native_stage, caller, result, text):
    message = caller.invoke(native_stage.model(whole(result)), "hi")

    assert (message.content, message.tool_calls) == (text, [])


LEAK = '{"type": "function", "name": "add", "parameters": {"a": 1}}'
ONE = [("add", {"a": 1})]
CALLS = {
    "an object": ([{"response": None, "tool_calls": [{"name": "add", "arguments": {"a": 1}}]}], ONE),
    "a string": ([{"tool_calls": [{"name": "add", "arguments": '{"a": 1}'}]}], ONE),
    "numbers as strings": ([{"tool_calls": [{"name": "add", "arguments": {"a": "1"}}]}], ONE),
    "null": ([{"tool_calls": [{"name": "add", "arguments": None}]}], [("add", {})]),
    "an empty call beside it": ([{"tool_calls": [{}, {"name": "add", "arguments": {"a": 1}}]}], ONE),
    "a leak into text": ([{"response": LEAK, "tool_calls": []}], ONE),
}


@pytest.mark.parametrize(("payloads", "calls"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_call_is_a_call_however_it_is_written(native_stage, caller, payloads, calls, streamed):
    llm = native_stage.model(events(*payloads) if streamed else whole(payloads[0])).bind_tools([add])

    message = folded(caller.stream(llm, "hi")) if streamed else caller.invoke(llm, "hi")

    assert [(call["name"], call["args"]) for call in message.tool_calls] == calls
    assert all(call["id"] for call in message.tool_calls)
    assert message.content == ""


TWO = [{"a": 1}, {"a": 2}]
STREAMED_CALLS = {
    "in fragments": (
        [part(0, name="add", arguments=""), part(0, arguments='{"a":'), part(0, arguments=" 1}")],
        TWO[:1],
    ),
    "in two events": ([{"tool_calls": [{"name": "add", "arguments": arguments}]} for arguments in TWO], TWO),
    "in fragments of two": (
        [part(0, name="add", arguments='{"a": 1}'), part(1, name="add", arguments='{"a"'), part(1, arguments=": 2}")],
        TWO,
    ),
}


@pytest.mark.parametrize(("payloads", "arguments"), STREAMED_CALLS.values(), ids=STREAMED_CALLS)
def test_calls_of_a_stream_are_put_together(native_stage, caller, payloads, arguments):
    llm = native_stage.model(events(*payloads)).bind_tools([add])

    assert [call["args"] for call in folded(caller.stream(llm, "hi")).tool_calls] == arguments


def test_usage_on_every_event_is_counted_once(native_stage, caller):
    answer = events(
        {"response": "a", "usage": USAGE}, {"response": "b", "usage": STEP}, {"response": "c", "usage": STEP}
    )

    message = folded(caller.stream(native_stage.model(answer), "hi"))

    assert message.usage_metadata["input_tokens"] == 11
    assert message.usage_metadata["output_tokens"] == 2
    assert message.usage_metadata["total_tokens"] == 13
    assert message.response_metadata["neurons"] == pytest.approx(0.69)


GONE = b'{"success": false, "result": null, "errors": [{"code": 3043, "message": "gone"}]}'
FAILURES = {
    "an error in the middle": (events({"response": "a"}, {"errors": [{"code": 3043, "message": "gone"}]}), "gone"),
    "no end": (events({"response": "a"}, end=""), "ended"),
    "a failure under status 200": (Raw(chunks=[GONE]), "gone"),
    "an answer of nothing": (Raw(chunks=[b'{"success": true, "result": null}']), "cannot be read"),
}


@pytest.mark.parametrize(("answer", "words"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_no_success(native_stage, caller, answer, words):
    with pytest.raises(errors.ServiceError, match=words):
        caller.stream(native_stage.model(answer), "hi")


def test_a_failure_is_tried_again_as_often_as_told(native_stage, caller):
    busy = Raw(500, {"retry-after": "0"}, [b""])

    assert caller.invoke(native_stage.model(busy, busy, "Yes.", max_retries=2), "hi").content == "Yes."
    with pytest.raises(errors.ServiceError):
        caller.invoke(native_stage.model(busy, max_retries=0), "hi")


def test_the_token_goes_to_no_address_of_someone_elses(monkeypatch, native_stage, caller):
    monkeypatch.setenv("BASE_URL", "http://127.0.0.1:9/some/app")

    assert caller.invoke(native_stage.model("Yes."), "hi").content == "Yes."


def test_broken_arguments_are_never_mended(native_stage, caller):
    llm = native_stage.model(events(part(0, name="add", arguments='{"a": 1, "b'))).bind_tools([add])

    message = folded(caller.stream(llm, "hi"))

    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == MARK + '{"a": 1, "b'
