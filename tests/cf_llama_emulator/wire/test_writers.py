"""How answers are written: each shape whole and streamed, and what the service does to text that is JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.wire.chunks import split
from cf_llama_emulator.wire.engine_protocol import Call, End, Text
from cf_llama_emulator.wire.writers import WRITERS, coerce, encode
from tests.cf_llama_emulator.client import MODEL, ask_user, events_of, tool

ALIAS = "@cf/meta/llama-3.3-70b-instruct-sd"
ADD = tool("add", a="integer", b="integer")
ASK = ask_user("Hello there")
"""Three tokens by estimate."""

INPUT, OUTPUT = 0.0266676660742342, 0.204805329442024


def counts(prompt, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def details(prompt, completion):
    spent = pytest.approx(prompt * INPUT + completion * OUTPUT)
    return counts(prompt, completion) | {"prompt_tokens_details": {"cached_tokens": 0}, "neurons": spent}


def without(event, *keys):
    return {key: value for key, value in event.items() if key not in keys}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("0", 0),
        ("7 \n", 7),
        ("3e50", 3e50),
        ("1.0", 1),
        ("-0.5", -0.5),
        ("12345678901234567890", 12345678901234567000),
        ("true", True),
        ("null", None),
        ('{"a": [1.50]}', {"a": [1.5]}),
        ('"quoted"', '"quoted"'),
        ("", ""),
        ("007", "007"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("[" * 100_000, "[" * 100_000),
        ("4 apples", "4 apples"),
    ],
)
def test_coerce_parses_what_javascript_would(text, value):
    found = coerce(text)
    assert (found, type(found)) == (value, type(value))


def test_numbers_are_written_as_javascript_writes_them():
    assert encode(coerce("[3e50, 1.0, 1e21, 100000000000000000000]")) == b"[3e+50,1,1e+21,100000000000000000000]"


def test_lone_surrogates_stay_json():
    assert json.loads(encode({"text": "a\ud800 é"}).decode("utf-8")) == {"text": "a\ud800 é"}


def test_native_whole_text(script):
    result = script("It is 5.").result(ASK)
    assert result == {"response": "It is 5.", "tool_calls": [], "usage": counts(3, 5)}


@pytest.mark.parametrize(("text", "value"), [("42", 42), ('{"a": 1}', {"a": 1}), ("true", True), ("null", None)])
def test_whole_text_that_is_json_arrives_as_its_value(script, text, value):
    client = script([text], [text], [text])
    assert client.result(ASK)["response"] == value
    hybrid = client.result(ASK, x_emulator_shape="hybrid")
    assert (hybrid["response"], hybrid["choices"][0]["message"]["content"]) == (value, text)
    assert client.v1(ASK).json()["choices"][0]["message"]["content"] == text


def test_native_whole_call_has_no_id(script):
    result = script([Call("add", {"a": 1, "b": 2}, id="given")]).result(ask_user("Hello there", tools=[ADD]))
    assert without(result, "usage") == {
        "response": None,
        "tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}],
    }


def test_text_beside_calls_is_kept_in_each_shape(script):
    turn = ["Let me see. ", Call("add", {"a": 1}), Call("add", '{"a": ')]
    client = script(turn, turn)
    assert without(client.result(ASK), "usage") == {
        "response": "Let me see. ",
        "tool_calls": [{"name": "add", "arguments": {"a": 1}}, {"name": "add", "arguments": '{"a": '}],
    }
    choice = client.result(ASK, x_emulator_shape="openai")["choices"][0]
    assert choice["message"]["content"] == "Let me see. "
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]] == ['{"a": 1}', '{"a": ']
    assert choice["finish_reason"] == "tool_calls"


def test_native_stream(script):
    events = script(["It", " is ", "4", ".", Call("add", {"a": 1}), Call("add", None)], padding=False).events(ASK)
    assert events == [
        {"response": "", "tool_calls": []},
        {"response": "It", "tool_calls": []},
        {"response": " is ", "tool_calls": []},
        {"response": 4, "tool_calls": []},
        {"response": ".", "tool_calls": []},
        {"response": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]},
        {"response": "", "tool_calls": [{"name": "add", "arguments": None}]},
        {"tool_calls": []},
        {"response": "", "usage": counts(3, 9)},
    ]


def test_hybrid_whole(script):
    result = script(["One."], shape="hybrid").result(ASK)
    assert result.pop("id").startswith("chatcmpl-")
    assert isinstance(result.pop("created"), int)
    message = {"role": "assistant", "content": "One."}
    assert result == {
        "object": "chat.completion",
        "model": ALIAS,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "response": "One.",
        "tool_calls": [],
        "usage": details(3, 1),
    }


def test_hybrid_whole_call_is_there_twice(script):
    result = script([Call("add", {"a": 1, "b": 2})], shape="hybrid").result(ask_user("Hello there", tools=[ADD]))
    [call] = result["choices"][0]["message"]["tool_calls"]
    assert call.pop("id").startswith("chatcmpl-tool-")
    assert call == {"type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    assert result["tool_calls"] == [{"name": "add", "arguments": {"a": 1, "b": 2}}]
    assert result["response"] is result["choices"][0]["message"]["content"] is None


def test_hybrid_stream_carries_each_text_twice_and_usage_as_increments(script):
    events = script(["It", " is ", "7 \n"], shape="hybrid", padding=False).events(ASK)
    heads = {(event.pop("id"), event.pop("created"), event.pop("object"), event.pop("model")) for event in events[:-2]}
    [(answer_id, _, kind, model)] = heads
    assert answer_id.startswith("chatcmpl-")
    assert (kind, model) == ("chat.completion.chunk", ALIAS)

    def chunk(delta, response, usage, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"choices": [choice], "response": response, "tool_calls": [], "usage": usage}

    assert events == [
        chunk({"role": "assistant", "content": ""}, "", details(3, 0)),
        chunk({"content": "It"}, "It", details(0, 1)),
        chunk({"content": " is "}, " is ", details(0, 1)),
        chunk({"content": "7 \n"}, 7, details(0, 1)),
        chunk({"content": ""}, "", details(0, 0), "stop"),
        {"choices": [], "usage": details(3, 3)},
        {"response": "", "usage": details(3, 3)},
    ]


def test_hybrid_stream_sends_calls_in_fragments_twice(script):
    calls = [Call("add", {"a": 1, "b": 2}, id="first"), Call("add", "broken")]
    events = script(calls, shape="hybrid", padding=False).events(ask_user("Hello there", tools=[ADD]))
    fragments = [event["choices"][0]["delta"]["tool_calls"][0] for event in events if event.get("tool_calls")]
    copies = [event["tool_calls"][0] for event in events if event.get("tool_calls")]
    assert fragments[0] == {"index": 0, "id": "first", "type": "function", "function": {"name": "add"}}
    assert fragments[1:3] == [
        {"index": 0, "function": {"arguments": '{"a": 1, "'}},
        {"index": 0, "function": {"arguments": 'b": 2}'}},
    ]
    assert fragments[3].pop("id").startswith("chatcmpl-tool-")
    assert fragments[3:] == [
        {"index": 1, "type": "function", "function": {"name": "add"}},
        {"index": 1, "function": {"arguments": "broken"}},
    ]
    assert copies == [fragment["function"] for fragment in fragments]
    assert events[-3]["choices"][0]["finish_reason"] == "tool_calls"


def test_v1_stream_has_one_copy_and_there_numbers_too(script):
    client = script(["It is ", "6"], padding=False)
    answer = client.v1(ASK | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert {event["model"] for event in events} == {MODEL}
    assert [event["choices"][0]["delta"] for event in events] == [
        {"role": "assistant", "content": ""},
        {"content": "It is "},
        {"content": 6},
        {},
    ]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == details(3, 3)


def test_numbers_stay_text_where_coercion_is_off(script):
    client = script(["4"], ["4"], ["4"], coerce=False)
    assert client.result(ASK)["response"] == "4"
    assert client.events(ASK)[1]["response"] == "4"
    assert client.events(ASK, x_emulator_shape="openai")[1]["choices"][0]["delta"]["content"] == "4"


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_padding_is_a_run_of_varying_length(script, shape):
    runs = [event["p"] for event in script(["a"] * 50, shape=shape).events(ASK) if "p" in event]
    assert len(runs) >= 50
    assert len({len(run) for run in runs}) > 5
    assert all(run in "abcdefghijklmnopqrstuvwxyz0123456789" for run in runs)


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_the_engines_own_counts_and_reason_go_first(script, shape):
    turn = [Text("Hello"), End("length", prompt_tokens=11, completion_tokens=7)]
    client = script(turn, turn, shape=shape)
    whole, events = client.result(ASK), client.events(ASK)
    assert without(whole["usage"], "neurons", "prompt_tokens_details") == counts(11, 7)
    assert without(events[-1]["usage"], "neurons", "prompt_tokens_details") == counts(11, 7)
    if shape != "native":
        finish = [choice["finish_reason"] for event in events for choice in event.get("choices", ())]
        assert [whole["choices"][0]["finish_reason"], *filter(None, finish)] == ["length", "length"]


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_increments_sum_to_the_closing_usage(rules, shape):
    *events, last = rules.events(ask_user("Count to 100 and say true.", max_tokens=9), x_emulator_shape=shape)
    increments = [event["usage"] for event in events if event.get("choices") and "usage" in event]
    if shape != "native":
        summed = sum(increment["completion_tokens"] for increment in increments)
        # The OpenAI shape's last event is cumulative and is not among the increments.
        assert summed == last["usage"]["completion_tokens"] == 9
    assert last["usage"]["completion_tokens"] == 9


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@given(text=st.text(), arguments=st.dictionaries(st.text(), st.text() | st.integers(), max_size=3))
def test_a_stream_says_what_the_whole_answer_says(shape, text, arguments):
    call, end = Call("add", arguments, "id"), End("stop", 1, 1)
    whole = WRITERS[shape](MODEL, 1, coerces=False).whole(text, [call], end)
    writer = WRITERS[shape](MODEL, 1, coerces=False)
    events = [*writer.start(), *(event for piece in split(text) for event in writer.text(piece)), *writer.call(call)]
    if shape != "openai":
        assert "".join(event["response"] for event in events) == (whole["response"] or "")
    if shape == "native":
        assert [made for event in events for made in event["tool_calls"]] == whole["tool_calls"]
        return
    deltas = [event["choices"][0]["delta"] for event in events]
    assert "".join(delta.get("content", "") for delta in deltas) == (whole["choices"][0]["message"]["content"] or "")
    fragments = [fragment["function"] for delta in deltas for fragment in delta.get("tool_calls", ())]
    [made] = whole["choices"][0]["message"]["tool_calls"]
    assert "".join(fragment.get("arguments", "") for fragment in fragments) == made["function"]["arguments"]
    assert json.loads(made["function"]["arguments"]) == arguments
