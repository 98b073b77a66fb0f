import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.cassettes.match import differences, is_same, normalised, route_of

ACCOUNT = "0123456789abcdef0123456789abcdef"
RUN = "ai/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast"


@pytest.mark.parametrize(
    ("path", "query", "route"),
    [
        (f"/client/v4/accounts/{ACCOUNT}/{RUN}", "", f"accounts/<account>/{RUN}"),
        (f"/some/proxy/accounts/{ACCOUNT}/{RUN.replace('@', '%40')}", "", f"accounts/<account>/{RUN}"),
        (f"/accounts/{ACCOUNT}/a", "q=j%40b.c+%26%C3%A9", "accounts/<account>/a?q=j@b.c%20%26é"),
        (f"/client/v4/accounts/{ACCOUNT}/ai/run", "b=2&a=1%2F", "accounts/<account>/ai/run?a=1/&b=2"),
        (
            f"/v1/{ACCOUNT}/my-gateway/workers-ai/v1/chat/completions",
            "",
            "v1/<account>/my-gateway/workers-ai/v1/chat/completions",
        ),
    ],
)
def test_a_route_names_no_account(path, query, route):
    assert route_of(path, query) == (route, ACCOUNT)


def test_another_path_is_its_own_route():
    assert route_of("/health/of/accounts") == ("health/of/accounts", None)


def call(call_id, arguments, **keys):
    return {"id": call_id, "type": "function", "function": {"name": "add", "arguments": arguments}, **keys}


def conversation(call_id, arguments):
    return {
        "messages": [
            {"role": "assistant", "content": "", "tool_calls": [call(call_id, arguments)]},
            {"role": "tool", "tool_call_id": call_id, "content": "3"},
        ]
    }


def body(value, **options):
    return normalised(json.dumps(value, **options).encode())


def test_ids_of_calls_and_whitespace_in_arguments_mean_nothing():
    one, other = conversation("call-1", '{"a": 1,\n "b": 2}'), conversation("call-2", '{"b":2,"a":1}')
    assert body(one) == body(other, indent=2)
    assert body(one) != body(conversation("call-1", '{"a": 2, "b": 2}'))
    flat = {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "name": "f", "arguments": "{ }"}]}]}
    assert body(flat) == {"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{}"}]}]}


def test_properties_of_a_tool_may_have_any_name():
    tools = {
        "tools": [{"parameters": {"properties": {"id": {}, "tool_call_id": {}, "messages": {}, "tool_calls": {}}}}]
    }
    assert body(tools) == tools


@pytest.mark.parametrize(
    ("content", "means"),
    [(b"", None), (b"text", "text"), (b'"JSON"', '"JSON"'), (b"\xff", "\\xff"), (b'{"a": NaN}', '{"a": NaN}')],
)
def test_what_is_no_json_object_is_a_text(content, means):
    assert normalised(content) == means


def test_nested_without_end_is_a_text():
    assert normalised(b"[" * 100_000) == "[" * 100_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["messages", "tool_calls", "id"]), inner)
    ),
)


@given(st.dictionaries(st.text(), json_values), st.randoms())
def test_the_order_of_keys_means_nothing_and_nothing_else_is_lost(value, random):
    keys = list(value)
    random.shuffle(keys)
    meaning = body(value)
    assert body({key: value[key] for key in keys}) == meaning
    assert body(meaning) == meaning
    assert is_same(meaning, meaning)
    assert differences(meaning, meaning) == []


@given(json_values, json_values)
def test_bodies_are_the_same_or_have_a_difference(one, other):
    assert is_same(one, other) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))
    assert is_same(one, other) == (not differences(one, other))


def test_what_was_scrubbed_may_be_any_text():
    recorded = {"content": "mail <scrubbed> and <scrubbed-token>.", "number": "<scrubbed>"}
    assert is_same(recorded, {"content": "mail a@b.c\nd and X.", "number": 4155551234})
    assert not is_same(recorded, {"content": "mail a@b.c", "number": 1})
    assert not is_same(recorded, {"content": "mail a and b.", "number": None})


@pytest.mark.parametrize(
    ("recorded", "asked", "told"),
    [
        ({"a": 1}, {"a": True}, "a: recorded 1, asked true"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, 'a[0].b: recorded "x", asked "y"'),
        ({}, {"max_tokens": 5}, "max_tokens is new: 5"),
        ({"stream": True}, {}, "stream is missing: true"),
        ({"a": [1]}, {"a": [1, 2]}, "a has 2 entries, recorded 1"),
        (None, {"a": 1}, 'body: recorded null, asked {"a": 1}'),
    ],
)
def test_a_difference_says_where_and_what(recorded, asked, told):
    assert differences(recorded, asked) == [told]


def test_a_difference_late_in_a_long_text_is_shown():
    [told] = differences({"a": "x" * 1000 + "old" + "x" * 1000}, {"a": "x" * 1000 + "new" + "x" * 1000})
    assert "xold" in told
    assert "xnew" in told
    assert len(told) < 200
