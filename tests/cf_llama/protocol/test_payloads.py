"""One payload, read in each shape by the rule: one copy of each thing, and nothing dropped as falsy."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama import BadResponseError, Usage
from cf_llama.protocol.json_values import InvalidJSON
from cf_llama.protocol.payloads import Event, ToolCallFragment, parse_payloads, read_event, response_metadata


def event(text):
    (payload,) = parse_payloads(text.encode())
    return read_event(payload)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ('{"response":"a"}', "a"),
        ('{"response":""}', ""),
        ('{"response":null}', ""),
        ('{"response":4}', "4"),
        ('{"response":0}', "0"),
        ('{"response":3e+50}', "3e+50"),
        ('{"response":0.10}', "0.10"),
        ('{"response":12345678901234567890}', "12345678901234567890"),
        ('{"response":true}', "true"),
        ('{"response":false}', "false"),
        ('{"response":{}}', "{}"),
        ('{"response":[]}', "[]"),
        ('{"tool_calls":[],"p":"abd"}', ""),
        ('{"choices":[{"delta":{"content":"a"}}],"response":"a"}', "a"),
        ('{"choices":[{"delta":{"content":"7 \\n"}}],"response":7}', "7 \n"),
        ('{"choices":[{"delta":{"content":""}}],"response":"a"}', "a"),
        ('{"choices":[{"delta":{"content":null}}],"response":"a"}', "a"),
        ('{"choices":[{"delta":{"content":6}}]}', "6"),
        ('{"choices":[{"delta":{"content":0}}],"response":0}', "0"),
        ('{"choices":[{"delta":{}}],"response":5}', "5"),
        ('{"choices":[],"response":"a"}', "a"),
        ('{"choices":[{"message":{"content":"{\\"a\\": 4}"}}],"response":{"a":4}}', '{"a": 4}'),
        ('{"choices":[{"text":"a","finish_reason":"stop"}]}', "a"),
        ('{"choices":[{"text":4.0}]}', "4.0"),
        ('{"choices":[{"text":"a"}],"response":"a"}', "a"),
        ('{"result":{"response":9.0},"success":true}', "9.0"),
        ('{"response":' + "7" * 5000 + "}", "7" * 5000),
        ('{"result":"bare","success":true}', "bare"),
    ],
)
def test_reads_text(payload, text):
    assert event(payload).text == text


@pytest.mark.parametrize(
    ("payload", "fragments"),
    [
        ('{"tool_calls":[]}', []),
        ('{"tool_calls":null}', []),
        ('{"tool_calls":[{}]}', []),
        ('{"tool_calls":[null]}', []),
        ('{"tool_calls":[{"name":"f","arguments":{"a":1.50}}]}', [(None, "", "f", '{"a": 1.50}')]),
        ('{"tool_calls":[{"name":"f","arguments":"{}"}]}', [(None, "", "f", "{}")]),
        ('{"tool_calls":[{"name":"f","arguments":null}]}', [(None, "", "f", "")]),
        ('{"tool_calls":[{"name":"f"},{"name":"g"}]}', [(None, "", "f", ""), (None, "", "g", "")]),
        ('{"tool_calls":[{"id":null,"index":0,"function":{"name":null,"arguments":""}}]}', [(0, "", "", "")]),
        (
            '{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"x","name":"f","arguments":4}]}}],"tool_calls":[{"name":"f"}]}',
            [(1, "x", "f", "4")],
        ),
        (
            '{"choices":[{"message":{"tool_calls":[]}}],"tool_calls":[{"name":"f","arguments":{}}]}',
            [(None, "", "f", "{}")],
        ),
    ],
)
def test_reads_one_copy_of_tool_calls(payload, fragments):
    assert event(payload).fragments == tuple(ToolCallFragment(*fragment) for fragment in fragments)


@pytest.mark.parametrize(
    "payload",
    [
        '{"response":"","finish_reason":"length"}',
        '{"finish_reason":"length"}',
        '{"choices":[{"delta":{},"finish_reason":"length"}]}',
        '{"choices":[{"message":{"content":"a"},"finish_reason":"length"}]}',
    ],
)
def test_reads_the_finish_reason_wherever_it_is(payload):
    assert event(payload).finish_reason == "length"
    assert event(payload).ends_stream


@pytest.mark.parametrize("reason", ["5", "[]", '{"a":1}', "true", "null", '""'])
def test_a_finish_reason_that_is_no_text_is_none(reason):
    assert event(f'{{"response":"a","finish_reason":{reason}}}').finish_reason is None


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ("null", None),
        ("{}", None),
        ("[]", None),
        ('{"prompt_tokens":26,"completion_tokens":12,"total_tokens":38}', Usage(26, 12, 38)),
        ('{"prompt_tokens":26,"completion_tokens":12}', Usage(26, 12, 38)),
        ('{"prompt_tokens":26.0,"completion_tokens":"12","total_tokens":null}', Usage(26, 12, 38)),
        ('{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":7},"neurons":0.5}', Usage(1, 0, 1, 7, 0.5)),
        ('{"prompt_tokens":1,"prompt_tokens_details":null,"neurons":null}', Usage(1, 0, 1)),
        ('{"prompt_tokens":1e308,"completion_tokens":-1,"total_tokens":5}', Usage(0, 0, 5)),
        ('{"prompt_tokens":"many","completion_tokens":[],"neurons":"n/a"}', Usage()),
    ],
)
def test_reads_usage_with_suspicion(usage, read):
    assert event(f'{{"response":4,"usage":{usage}}}').usage == read


def test_usage_alone_closes_a_stream_and_an_increment_does_not():
    assert event('{"response":"","usage":{"prompt_tokens":9,"completion_tokens":2}}').ends_stream
    assert not event('{"response":"a","usage":{"prompt_tokens":9,"completion_tokens":2}}').ends_stream
    assert not event('{"response":"","usage":{"prompt_tokens":0,"completion_tokens":1}}').ends_stream


@pytest.mark.parametrize("payload", ["7", "null", "[]", "{}", '{"result":{},"success":true}', '{"id":"x"}'])
def test_what_is_no_answer_is_none(payload):
    assert event(payload) is None


def test_a_recorded_stream_is_many_payloads():
    recording = '{"result":{"streamed_data":[{"response":1.0},{"response":"a"}]},"success":true}'
    assert [read_event(payload).text for payload in parse_payloads(recording.encode())] == ["1.0", "a"]


def test_lines_of_one_event_are_payloads_of_their_own():
    lines = b'{"response":"a"}\n\n{"response":4}\n'
    assert [read_event(payload).text for payload in parse_payloads(lines)] == ["a", "4"]


def test_a_byte_that_is_no_utf8_takes_no_other_text_with_it():
    [payload] = parse_payloads(b'{"response":"caf\xe9 au lait"}')
    assert read_event(payload).text == "caf\ufffd au lait"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
KEYS = ("response", "choices", "tool_calls", "usage", "finish_reason", "result", "success", "streamed_data")
INNER = ("delta", "message", "content", "tool_calls", "finish_reason", "index", "id", "function", "name", "arguments")
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cached_tokens", "neurons")


def objects(keys, values):
    return st.dictionaries(st.sampled_from(keys), values, max_size=4)


INSIDE = objects(INNER, st.lists(objects(INNER, JSON | objects(INNER, JSON)), max_size=2) | objects(INNER, JSON) | JSON)


@given(objects(KEYS, JSON | objects((*KEYS, *COUNTS), JSON) | st.lists(INSIDE, max_size=2)))
def test_any_json_is_read_or_refused_but_never_breaks_the_reader(payload):
    try:
        for one in parse_payloads(json.dumps(payload).encode()):
            assert isinstance(read_event(one), Event | None)
    except (InvalidJSON, BadResponseError):
        pass


@pytest.mark.parametrize(
    ("header", "neurons"), [("1.98", 1.98), ("0", 0.0), ("n/a", None), ("", None), ("1.2.3", None)]
)
def test_reads_neurons_from_the_header(header, neurons):
    assert response_metadata(httpx.Headers({"cf-ai-neurons": header})).neurons == neurons


def test_a_refusal_is_what_the_model_said():
    assert event('{"choices":[{"message":{"content":null,"refusal":"No."}}]}').text == "No."
    assert event('{"choices":[{"message":{"content":"Yes.","refusal":null}}]}').text == "Yes."


@given(st.fixed_dictionaries({"response": st.text()}, optional={"p": st.text()}))
def test_the_short_way_of_plain_events_leads_where_the_long_one_does(payload):
    long_way = payload | {"tool_calls": []}
    assert read_event(payload) == read_event(long_way)
    assert parse_payloads(json.dumps(payload).encode()) == [payload]
