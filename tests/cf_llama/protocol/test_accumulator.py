"""From events to deltas and the reply: calls put together, leaks recovered, forced calls checked."""

from __future__ import annotations

from itertools import count

import pytest

from cf_llama import BadResponseError, ChatRequest, Delta, ResponseMetadata, ToolChoiceError, Usage
from cf_llama.protocol.accumulator import MAX_CALLS, Accumulator, new_call_id
from cf_llama.protocol.payloads import Event, ToolCallFragment

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOOLS = [{"name": "f", "parameters": NUMBER}, {"name": "g", "parameters": NUMBER}]
USER = {"role": "user", "content": "?"}


def request(**fields):
    return ChatRequest(**{"messages": [USER], "tools": TOOLS} | fields)


def assembled(*events, asked=None):
    ids = count(1)
    assembly = Accumulator(asked or request(), ResponseMetadata(), lambda: f"new{next(ids)}")
    return [*(delta for event in events for delta in assembly.push(event)), *assembly.finish()]


def call(position, call_id, name, arguments):
    return Event(fragments=(ToolCallFragment(position, call_id, name, arguments),))


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        pytest.param([call(0, "x", "f", ""), call(0, "", "", '{"n":'), call(0, "", "", "1}")], [("x", 1)], id="pieces"),
        pytest.param([call(0, "x", "f", '{"n":'), call(0, "x", "f", "1}")], [("x", 1)], id="id and name repeated"),
        pytest.param([call(0, "", "f", '{"n":'), call(0, "", "f", "1}")], [("new1", 1)], id="name repeated"),
        pytest.param([call(0, "x", "f", '{"n":1}'), call(0, "", "", "")], [("x", 1)], id="empty at the end"),
        pytest.param([call(0, "x", "f", '{"n":1}'), call(0, "x", "f", "")], [("x", 1)], id="id and name at the end"),
        pytest.param([call(0, "", "f", '{"n":1}'), call(0, "", "f", "")], [("new1", 1)], id="name at the end"),
        pytest.param([call(None, "x", "f", '{"n":'), call(0, "", "", "1}")], [("x", 1)], id="no index is 0"),
        pytest.param([call(0, "x", "f", '{"n":1}'), call(0, "y", "f", '{"n":2}')], [("x", 1), ("y", 2)], id="new id"),
        pytest.param([call(0, "", "f", '{"n":1}'), call(0, "", "g", '{"n":2}')], [("new1", 1), ("new2", 2)], id="name"),
        pytest.param([call(None, "", "f", '{"n":1}')] * 2, [("new1", 1), ("new2", 1)], id="native twice"),
        pytest.param(
            [call(0, "x", "f", '{"n":1}'), call(1, "x", "f", '{"n":2}')], [("x", 1), ("new1", 2)], id="same id"
        ),
        pytest.param(
            [call(0, "x", "f", '{"n":'), call(1, "y", "f", '{"n":'), call(0, "", "", "1}"), call(1, "", "", "2}")],
            [("x", 1), ("y", 2)],
            id="interleaved",
        ),
        pytest.param([call(None, "x", "f", '{"n":1}')] * 2, [("x", 1), ("new1", 1)], id="same id without index"),
        pytest.param([call(0, "x", "", '{"n":1}')], [], id="no name"),
        pytest.param([call(0, "", "", "")], [], id="nothing"),
    ],
)
def test_puts_calls_together(events, calls):
    *_, last = assembled(*events)
    assert [(each.id, each.arguments["n"]) for each in last.reply.tool_calls] == calls


def test_calls_without_end_do_not_take_time_without_end():
    calls = [call(place, "", "f", "{}") for place in range(MAX_CALLS + 1)]
    assert len(assembled(*calls[:-1])[-1].reply.tool_calls) == MAX_CALLS
    with pytest.raises(BadResponseError, match="1,000 calls"):
        assembled(*calls)


def test_an_id_of_the_history_is_not_used_again():
    old = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = request(messages=[USER, {"role": "assistant", "content": "", "tool_calls": [old]}])
    assert assembled(call(0, "x", "f", "{}"), asked=asked)[-1].reply.tool_calls[0].id == "new1"


def test_new_ids_are_unique():
    assert len({new_call_id() for _ in range(100)}) == 100


def test_text_before_a_call_is_kept_and_shown_first():
    first, second, last = assembled(Event(text="Well. "), call(None, "", "f", "{}"))
    assert (first.text, [each.name for each in second.tool_calls]) == ("Well. ", ["f"])
    assert (last.reply.text, last.reply.finish_reason) == ("Well. ", "tool_calls")


def test_parallel_calls_can_be_declined():
    events = [call(0, "x", "f", "{}"), call(1, "y", "g", "{}")]
    assert [each.id for each in assembled(*events, asked=request(parallel_tool_calls=False))[-1].reply.tool_calls] == [
        "x"
    ]


@pytest.mark.parametrize(
    ("event", "asked", "reason"),
    [
        (Event(text="a"), request(), "stop"),
        (Event(text="a", finish_reason="length"), request(), "length"),
        (Event(text="a", usage=Usage(1, 9, 10)), request(max_tokens=9), "length"),
        (Event(text="a", usage=Usage(1, 8, 9)), request(max_tokens=9), "stop"),
        (Event(text="a", finish_reason="stop", usage=Usage(1, 9, 10)), request(max_tokens=9), "stop"),
        (Event(text="aSTOPb", usage=Usage(1, 9, 10)), request(max_tokens=9, stop=("STOP",)), "stop"),
        (call(0, "x", "f", "{}"), request(), "tool_calls"),
        (call(0, "x", "f", "{}")._replace(finish_reason="stop"), request(), "tool_calls"),
        (call(0, "x", "f", "{}")._replace(finish_reason="length"), request(), "length"),
        (Event(finish_reason="content_filter"), request(), "content_filter"),
    ],
)
def test_says_why_the_answer_ended(event, asked, reason):
    assert assembled(event, asked=asked)[-1].reply.finish_reason == reason


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "parameters": {"n": 1}}',
        '<|python_tag|>{"type": "function", "name": "f", "parameters": {"n": "1"}}<|eom_id|>',
        "<|python_tag|>f.call(n=1)",
        "[f(n=1)]",
        '```json\n{"name": "f", "arguments": {"n": 1}}\n```',
    ],
)
def test_a_leaked_call_becomes_a_call_and_no_text_of_it_is_shown(text):
    deltas = assembled(*(Event(text=character) for character in text))
    assert [delta.text for delta in deltas] == ["", ""]
    assert [(each.name, each.arguments) for each in deltas[-1].reply.tool_calls] == [("f", {"n": 1})]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('{"name": "f", "parameters": {}}', request(tools=())),
        ('{"name": "f", "parameters": {}}', request(tool_choice="none")),
        ('{"name": "f", "parameters": {}}', request(response_format={"type": "json_object"})),
        ('{"name": "other", "parameters": {}}', request()),
        ('I call {"name": "f", "parameters": {}}', request()),
        ('{"a": 1}', request()),
        ("", request()),
    ],
)
def test_text_that_is_no_call_stays_text(text, asked):
    deltas = assembled(*(Event(text=character) for character in text), asked=asked)
    assert "".join(delta.text for delta in deltas) == deltas[-1].reply.text == text
    assert deltas[-1].reply.tool_calls == ()


def test_text_is_shown_at_once_where_it_cannot_become_a_call():
    assembly = Accumulator(request(), ResponseMetadata())
    assert list(assembly.push(Event(text="Hello"))) == [Delta(text="Hello")]
    assert list(assembly.push(Event(text=' {"name"'))) == [Delta(text=' {"name"')]


@pytest.mark.parametrize("name", ["g", ""])
def test_a_forced_call_that_did_not_come_is_an_error(name):
    with pytest.raises(ToolChoiceError, match="f") as caught:
        assembled(Event(text="No."), call(0, "x", name, "{}"), asked=request(tool_choice="f"))
    assert caught.value.partial.text == "No."


def test_any_of_the_tools_meets_a_required_call():
    assert assembled(call(0, "x", "g", "{}"), asked=request(tool_choice="required"))[-1].reply.tool_calls


def test_a_forced_call_cut_by_max_tokens_says_so():
    with pytest.raises(ToolChoiceError, match="max_tokens"):
        assembled(Event(text="No", finish_reason="length"), asked=request(tool_choice="f"))


def test_broken_arguments_are_reported_and_not_mended():
    (broken,) = assembled(call(0, "x", "f", '{"n": 1'))[-1].reply.tool_calls
    assert (broken.arguments, broken.text) == ({}, '{"n": 1')
    assert "JSON" in broken.error


def test_a_partial_reply_has_the_text_that_was_held_back():
    assembly = Accumulator(request(), ResponseMetadata())
    list(assembly.push(Event(text='{"name": "f"')))
    assert (assembly.partial().text, assembly.partial().finish_reason) == ('{"name": "f"', "")
