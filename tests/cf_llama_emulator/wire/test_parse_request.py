"""From a body to an `EngineRequest`, and what the model's backend refuses on the way."""

import pytest

from cf_llama_emulator.wire.engine_protocol import Tool
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.parse_request import parse_request
from tests.cf_llama_emulator.client import ask_user, tool

ADD = tool("add", a="integer")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def history(**call):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    return {"messages": messages}


def test_both_forms_of_a_tool_are_one():
    wrapped, bare = (
        parse_request("m", ask_user("Hi", tools=[ADD])),
        parse_request("m", ask_user("Hi", tools=[ADD["function"]])),
    )
    assert wrapped == bare
    assert wrapped.tools == (Tool("add", "a tool", ADD["function"]["parameters"]),)


def test_a_prompt_keeps_raw_and_has_no_tools():
    body = {"prompt": "Hi", "raw": True, "tools": None, "messages": 1, "seed": 7, "temperature": 0}
    ask = parse_request("m", body, "prompt")
    assert (ask.prompt, ask.raw, ask.tools, ask.messages) == ("Hi", True, (), ())
    assert ask.sampling == {"seed": 7, "temperature": 0}


@pytest.mark.parametrize(("body", "tokens"), [({}, 256), ({"max_tokens": 5}, 5), ({"max_completion_tokens": 6}, 256)])
def test_max_tokens(body, tokens):
    assert parse_request("m", ask_user("Hi") | body).max_tokens == tokens


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (None, None),
        ("auto", None),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "add"}}, "add"),
    ],
)
def test_tool_choice(choice, read):
    assert parse_request("m", ask_user("Hi", tools=[ADD], tool_choice=choice)).tool_choice == read


@pytest.mark.parametrize(
    "choice",
    [
        *("any", "add", 1, {"name": "add"}, {"type": "function", "function": {"name": "x"}}),
        *({"function": {"name": []}}, {"function": {"name": {}}}),
    ],
)
def test_a_tool_choice_that_the_backend_does_not_know_is_8001(choice):
    with pytest.raises(ServiceError, match="8001: Invalid input: tool_choice"):
        parse_request("m", ask_user("Hi", tools=[ADD], tool_choice=choice))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_schema", "json_schema": SCHEMA}, {"type": "json_schema", "json_schema": SCHEMA}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "json_schema": SCHEMA},
        ),
        ({}, None),
    ],
)
def test_response_format_has_the_bare_schema(given, read):
    assert parse_request("m", ask_user("Hi", response_format=given)).response_format == read


@pytest.mark.parametrize(
    "call",
    [
        {"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"name": "add", "arguments": {"a": 1}},
        {"id": None, "name": "add"},
    ],
)
def test_calls_in_the_history_may_have_either_form(call):
    assert parse_request("m", history(**call)).messages[1]["tool_calls"] == [call]


@pytest.mark.parametrize(
    "call",
    [
        {"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a": '}},
        {"id": "x", "type": "function", "function": None},
        {"id": 7, "name": "add"},
        {},
    ],
)
def test_calls_that_no_template_can_repeat_are_8001(call):
    with pytest.raises(ServiceError, match="8001: Invalid input: messages\\[1\\]"):
        parse_request("m", history(**call))


@pytest.mark.parametrize("calls", ["add", 5, {"name": "add"}])
def test_tool_calls_must_be_a_list(calls):
    with pytest.raises(ServiceError, match="is not a list of calls"):
        parse_request("m", {"messages": [{"role": "assistant", "content": "", "tool_calls": calls}]})


@pytest.mark.parametrize("shape", ["native", "hybrid"])
def test_a_json_schema_cannot_be_streamed(rules, shape):
    body = ask_user("Hi", response_format={"type": "json_schema", "json_schema": SCHEMA}, stream=True)
    answer = rules.run(body, x_emulator_shape=shape)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["code"] == 5023
    assert "JSON Schema mode is not supported with stream mode." in error["message"]


def test_streaming_a_json_schema_can_be_allowed(script):
    body = ask_user("Hi", response_format={"type": "json_schema", "json_schema": SCHEMA})
    assert script('{"a": 1}', json_streams=True, coerce=False).events(body)[1]["response"] == '{"'
