"""What llama.cpp is asked."""

import pytest

from cf_llama_emulator.engines.local.prompts import (
    answer_body,
    calls_since_question,
    completion_body,
    tools_body,
    turns,
)
from cf_llama_emulator.wire.engine_protocol import EngineRequest, Tool

USER = {"role": "user", "content": "Weather in Rome and Oslo?"}
ANSWER = {"role": "assistant", "content": "Warm and cold."}


def openai(*calls, content=""):
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in calls
        ],
    }


def native(*calls):
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"name": name, "arguments": arguments} for name, arguments in calls],
    }


def result(content, **keys):
    return {"role": "tool", "content": content, **keys}


ROME = 'Result of weather(city="Rome"):\n25 °C'
OSLO = 'Result of weather(city="Oslo"):\n-3 °C'
AGAIN = "Now answer my question in a sentence: Weather in Rome and Oslo?"
BOTH = {"role": "user", "content": f"{ROME}\n\n{OSLO}\n\n{AGAIN}"}

CONVERSATIONS = {
    "words": ([{"role": "system", "content": "Be brief."}, USER, ANSWER], None),
    "calls with ids, answered in another order": (
        [
            USER,
            openai(("1", "weather", '{"city": "Oslo"}'), ("2", "weather", '{"city": "Rome"}')),
            result("25 °C", tool_call_id="2"),
            result("-3 °C", tool_call_id="1"),
        ],
        [USER, BOTH],
    ),
    "native calls, answered in their order": (
        [
            USER,
            native(("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})),
            result("25 °C", name="weather"),
            result("-3 °C", name="weather"),
        ],
        [USER, BOTH],
    ),
    "one after the other": (
        [
            USER,
            openai(("1", "weather", '{"city": "Rome"}')),
            result("25 °C", tool_call_id="1"),
            openai(("2", "weather", '{"city": "Oslo"}'), content="And Oslo:"),
            result("-3 °C", tool_call_id="2"),
            ANSWER,
        ],
        [
            USER,
            {"role": "user", "content": f"{ROME}\n\n{AGAIN}"},
            {"role": "assistant", "content": "And Oslo:"},
            {"role": "user", "content": f"{OSLO}\n\n{AGAIN}"},
            ANSWER,
        ],
    ),
    "a result without its call": (
        [USER, result("25 °C", name="weather")],
        [USER, {"role": "user", "content": f"Result of weather():\n25 °C\n\n{AGAIN}"}],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_results_become_turns(messages, expected):
    assert turns(EngineRequest(model="m", messages=messages)) == (expected or messages)


def test_a_long_question_is_not_said_twice():
    asked = {"role": "user", "content": "Why? " * 200}
    *_, last = turns(EngineRequest(model="m", messages=[asked, result("so", name="search")]))
    assert last["content"] == "Result of search():\nso\n\nNow answer my question in a sentence."


def test_a_prompt_is_a_turn_of_the_user():
    assert turns(EngineRequest(model="m", prompt="Hello")) == [{"role": "user", "content": "Hello"}]


def test_calls_are_forgotten_when_the_user_speaks():
    past = [USER, openai(("1", "weather", '{"city": "Rome"}')), result("25 °C", tool_call_id="1")]
    [call] = calls_since_question(past)
    assert (call.name, call.arguments, call.result) == ("weather", {"city": "Rome"}, "25 °C")
    assert calls_since_question([*past, ANSWER, USER]) == []


@pytest.mark.parametrize("arguments", [None, "", "null", "[1]", {}])
def test_arguments_that_are_no_object_are_none(arguments):
    past = [USER, openai(("1", "now", arguments)), result("noon", tool_call_id="1")]
    assert [str(call) for call in calls_since_question(past)] == ["Result of now():\nnoon"]


def test_sampling_is_passed_on_in_llama_cpps_words():
    sampling = {"temperature": 0, "top_p": 0.5, "top_k": 5, "seed": 7, "frequency_penalty": 1, "presence_penalty": -1}
    body = completion_body(
        EngineRequest(model="m", prompt="Hi", max_tokens=9, sampling=sampling | {"repetition_penalty": 1.5})
    )
    assert body.items() >= (sampling | {"repeat_penalty": 1.5, "max_tokens": 9, "prompt": "Hi"}).items()
    assert "repetition_penalty" not in body


def test_the_services_temperature_holds_where_none_is_asked_for():
    assert answer_body(EngineRequest(model="m", prompt="Hi"))["temperature"] == 0.6


def bound(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def test_tools_are_shown_and_left_to_be_read_here():
    body = tools_body(EngineRequest(model="m", prompt="Hi"), [Tool("now", "the time", {})])
    function = {"name": "now", "description": "the time", "parameters": {}}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == "none"
    assert "response_format" not in body


def test_a_call_can_be_bound():
    body = tools_body(EngineRequest(model="m", prompt="Hi"), [Tool("now", "the time", {})], {"type": "object"})
    assert body["response_format"] == bound({"type": "object"})


def test_words_are_neither_told_nor_bound():
    body = answer_body(EngineRequest(model="m", prompt="Hi"))
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert {"tools", "tool_choice", "response_format"}.isdisjoint(body)


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"type": "array"}}, {"type": "array"}),
    ],
)
def test_a_response_format_is_told_and_bound(given, schema):
    said = f'Answer with JSON of this schema: {{"type": "{schema["type"]}"}}'
    body = answer_body(EngineRequest(model="m", prompt="Hi", response_format=given))
    assert body["messages"] == [{"role": "system", "content": said}, {"role": "user", "content": "Hi"}]
    assert body["response_format"] == bound(schema)

    system = {"role": "system", "content": "Be brief."}
    body = answer_body(EngineRequest(model="m", messages=[system, USER], response_format=given))
    assert body["messages"] == [{"role": "system", "content": f"Be brief.\n\n{said}"}, USER]

    assert (
        completion_body(EngineRequest(model="m", prompt="Hi", raw=True, response_format=given))["json_schema"] == schema
    )
