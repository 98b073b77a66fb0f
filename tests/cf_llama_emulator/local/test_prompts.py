"""What llama.cpp is asked."""

import pytest

from cf_llama_emulator.engines.base import Ask, Tool
from cf_llama_emulator.local.prompts import bound_schema, calls_since_question, chat_body, completion_body, turns

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


ROME = 'weather(city="Rome") returned: 25 °C'
OSLO = 'weather(city="Oslo") returned: -3 °C'
AGAIN = "Use this to answer: Weather in Rome and Oslo?"
BOTH = {"role": "user", "content": f"{ROME}\n{OSLO}\n\n{AGAIN}"}

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
        [USER, {"role": "user", "content": f"weather() returned: 25 °C\n\n{AGAIN}"}],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_results_become_turns(messages, expected):
    assert turns(Ask(model="m", messages=messages)) == (expected or messages)


def test_a_long_question_is_not_said_twice():
    asked = {"role": "user", "content": "Why? " * 200}
    *_, last = turns(Ask(model="m", messages=[asked, result("so", name="search")]))
    assert last["content"] == "search() returned: so\n\nUse this to answer: the question above."


def test_a_prompt_is_a_turn_of_the_user():
    assert turns(Ask(model="m", prompt="Hello")) == [{"role": "user", "content": "Hello"}]


def test_calls_are_forgotten_when_the_user_speaks():
    past = [USER, openai(("1", "weather", '{"city": "Rome"}')), result("25 °C", tool_call_id="1")]
    [call] = calls_since_question(past)
    assert (call.name, call.arguments, call.result) == ("weather", {"city": "Rome"}, "25 °C")
    assert calls_since_question([*past, ANSWER, USER]) == []


def test_sampling_is_passed_on_in_llama_cpps_words():
    sampling = {"temperature": 0, "top_p": 0.5, "top_k": 5, "seed": 7, "frequency_penalty": 1, "presence_penalty": -1}
    body = completion_body(Ask(model="m", prompt="Hi", max_tokens=9, sampling=sampling | {"repetition_penalty": 1.5}))
    assert body.items() >= (sampling | {"repeat_penalty": 1.5, "max_tokens": 9, "prompt": "Hi"}).items()
    assert "repetition_penalty" not in body


def test_the_services_temperature_holds_where_none_is_asked_for():
    assert chat_body(Ask(model="m", prompt="Hi"))["temperature"] == 0.6


def test_tools_and_a_schema_are_shown():
    body = chat_body(Ask(model="m", prompt="Hi"), tools=[Tool("now", "the time", {})], schema={"type": "object"})
    assert body["tools"] == [
        {"type": "function", "function": {"name": "now", "description": "the time", "parameters": {}}}
    ]
    assert body["tool_choice"] == "none"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert {"tools", "tool_choice", "response_format"}.isdisjoint(chat_body(Ask(model="m", prompt="Hi")))


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        (None, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"type": "array"}}, {"type": "array"}),
    ],
)
def test_a_response_format_binds_the_answer(given, schema):
    assert bound_schema(Ask(model="m", prompt="Hi", response_format=given)) == schema
