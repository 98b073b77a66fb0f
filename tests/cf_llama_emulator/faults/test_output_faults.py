"""What the JSON of events and whole answers can be made to look like."""

import json

import pytest

from cf_llama_emulator.faults.output_faults import LEAKS
from cf_llama_emulator.wire.engine_protocol import Call, End
from cf_llama_emulator.wire.writers import coerce
from tests.cf_llama_emulator.client import ask_user

CALL = Call("add", {"a": 1, "b": "zwölf"}, id="chatcmpl-tool-1")
ASK = ask_user("Add", max_tokens=500)


@pytest.fixture
def said(script):
    """Return a function that gives the events of a turn, or the whole answer, under these faults."""

    def say(faults, *turn, stream=True, shape="hybrid"):
        client = script(list(turn), shape=shape, padding=False)
        if stream:
            return client.events(ASK, x_emulator_faults=faults)
        return client.result(ASK, x_emulator_faults=faults)

    return say


def deltas(events):
    return [choice["delta"] for event in events for choice in event.get("choices", ())]


def calls_in(message):
    return message.get("tool_calls") or []


def keys(events, key):
    return [event[key] for event in events if key in event]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"name": "add", "parameters": {"a": 1, "b": "zwölf"}}'),
        ("function", '{"type": "function", "name": "add", "parameters": {"a": 1, "b": "zw\\u00f6lf"}}'),
        ("tag", '<|python_tag|>{"name": "add", "parameters": {"a": 1, "b": "zw\\u00f6lf"}}'),
        ("python", "[add(a=1, b='zwölf')]"),
        ("fenced", '```json\n{"name": "add", "parameters": {"a": 1, "b": "zw\\u00f6lf"}}\n```'),
    ],
)
def test_calls_leak_into_the_text(said, form, text):
    answer = said(f"leak={form}", CALL, stream=False)
    [choice] = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop")
    assert answer["response"] == coerce(text)
    assert not answer["tool_calls"]


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", None])
@pytest.mark.parametrize("form", LEAKS)
def test_calls_with_broken_arguments_leak_as_they_are(said, form, arguments):
    text = said(f"leak={form}", Call("add", arguments), stream=False)["choices"][0]["message"]["content"]
    assert "add" in text
    assert "1" in text or arguments is None


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]"])
def test_a_whole_call_may_have_broken_arguments(said, arguments):
    events = said("whole-calls", Call("add", arguments))
    [call] = [call for delta in deltas(events) for call in calls_in(delta)]
    assert call["function"]["arguments"] == arguments
    [native] = [call for calls in keys(events, "tool_calls") for call in calls]
    assert native["arguments"] in (arguments, json.loads("[1]"))


@pytest.mark.parametrize("fault", ["whole-calls", "top-fragments"])
@pytest.mark.parametrize("shape", ["hybrid", "openai"])
def test_text_that_was_held_back_comes_before_a_call_in_any_form(said, fault, shape):
    events = said(f"text-at-end, {fault}", "Well", CALL, shape=shape)
    assert "".join(delta.get("content") or "" for delta in deltas(events)) == "Well"
    calls = [call for holder in (*deltas(events), *events) for call in calls_in(holder)]
    assert any("name" in call.get("function", call) for call in calls)


@pytest.mark.parametrize("part", ["response", "choices", "tool_calls"])
def test_the_only_copy_of_anything_stays(said, part):
    events = said(f"absent={part}", "0", " nil", CALL, shape="native")
    assert [text for text in keys(events, "response") if text != ""] == [0, " nil"]
    for told in (events, said(f"absent={part}, top-fragments", CALL)):
        assert [call for event in told for call in calls_in(event)]


def test_nothing_at_all_cannot_be_padded(said):
    assert said("nothing=events, huge-event=1", "Hi") == []


@pytest.mark.parametrize(
    ("how", "ids"), [("absent", ["?"]), ("null", [None]), ("repeated", ["chatcmpl-tool-0", "chatcmpl-tool-0"])]
)
def test_ids_of_calls(said, how, ids):
    events = said(f"ids={how}", CALL, CALL)
    found = [call.get("id", "?") for delta in deltas(events) for call in calls_in(delta) if "type" in call]
    assert found == ids * (2 // len(ids))
    whole = said(f"ids={how}", CALL, stream=False)["choices"][0]["message"]["tool_calls"]
    assert [call.get("id", "?") for call in whole] == ids[:1]


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_empty_calls_stand_among_the_others(said, shape):
    events = said("empty-calls", CALL, shape=shape)
    lists = [event["tool_calls"] for event in events if calls_in(event)]
    lists += [delta["tool_calls"] for delta in deltas(events) if calls_in(delta)]
    assert lists
    assert all(calls[-1] == {} for calls in lists)
    whole = said("empty-calls", CALL, shape=shape, stream=False)
    assert ({} in whole.get("tool_calls", [])) or ({} in whole["choices"][0]["message"]["tool_calls"])


def test_calls_end_with_a_fragment_of_nulls(said):
    events = said("null-finalisation", CALL, CALL)
    nulls = [call for event in events for call in calls_in(event) if call.get("id", "") is None]
    closing = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}
    assert nulls == [closing | {"index": 0}, closing | {"index": 1}]


def test_fragments_of_a_call_come_in_one_event(said):
    [event] = [event for event in said("whole-calls", CALL) if calls_in(event)]
    [call] = event["choices"][0]["delta"]["tool_calls"]
    assert call["id"] == "chatcmpl-tool-1"
    assert json.loads(call["function"]["arguments"]) == CALL.arguments
    assert event["tool_calls"] == [{"name": "add", "arguments": CALL.arguments}]


def test_fragments_of_a_call_stand_outside_of_choices(said):
    events = [event for event in said("top-fragments", CALL) if calls_in(event)]
    assert not any("choices" in event for event in events)
    assert events[0]["tool_calls"][0]["id"] == "chatcmpl-tool-1"
    arguments = "".join(event["tool_calls"][0]["function"].get("arguments", "") for event in events)
    assert json.loads(arguments) == CALL.arguments


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_counts_can_be_absent(said, shape):
    assert not keys(said("no-usage", "One", shape=shape), "usage")
    assert "usage" not in said("no-usage", "One", shape=shape, stream=False)
    closing = keys(said("no-usage=increments", "One", End(prompt_tokens=3, completion_tokens=4), shape=shape), "usage")
    assert closing
    assert all(usage["total_tokens"] in (7, 0) for usage in closing)


@pytest.mark.parametrize(
    ("second", "difference"),
    [
        ("same", {}),
        ("zeros", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        ("details", {"prompt_tokens_details": {"cached_tokens": 0}}),
    ],
)
def test_counts_come_twice(said, second, difference):
    first, again = keys(said(f"usage-twice={second}", "One", shape="native"), "usage")
    assert again == first | difference


def test_finish_reasons(said):
    for how, reasons in {"absent": [], "top": ["stop"]}.items():
        events = said(f"finish-reason={how}", "One")
        assert keys(events, "finish_reason") == reasons
        assert not any(choice["finish_reason"] for event in events for choice in event.get("choices", ()))


def test_the_copy_in_choices_can_be_empty(said):
    events = said("empty-beside", "One", " two")
    assert "".join(delta.get("content", "") for delta in deltas(events)) == ""
    assert "".join(keys(events, "response")) == "One two"


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@pytest.mark.parametrize("what", ["One", CALL])
def test_nothing_is_said(said, shape, what):
    events = said("nothing", what, shape=shape)
    assert not any(keys(events, "response"))
    assert not any(delta.get("content") or calls_in(delta) for delta in deltas(events))
    whole = said("nothing", what, shape=shape, stream=False)
    assert not whole.get("response")
    assert not calls_in(whole)
    assert not any(choice["message"].get("content") for choice in whole.get("choices", ()))


def test_null_stands_for_empty_text(said):
    events = said("nulls", "One")
    assert [value for value in keys(events, "response") if value != "One"] == [None] * (len(events) - 2)


@pytest.mark.parametrize("stream", [False, True])
def test_an_event_can_be_huge(said, stream):
    answer = said("huge-event=3", "One", stream=stream)
    assert len((answer[0] if stream else answer)["p"]) == 3072


def test_settings_for_one_request(said):
    assert "choices" not in said("shape=native", "One", stream=False)
    assert said("", "12", stream=False)["response"] == 12
    assert said("tokens=text", "12", stream=False)["response"] == "12"
    assert all("p" in event for event in said("padding=on", "One", shape="openai"))


def test_an_answer_can_lack_its_envelope_or_its_stream(script):
    answer = script("One").run(ASK | {"stream": True}, x_emulator_faults="json-answer, bare")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["response"] == "One"
