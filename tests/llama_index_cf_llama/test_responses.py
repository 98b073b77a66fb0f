"""Replies on their way to LlamaIndex."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock

from cf_llama import MODEL, Delta, Reply, ResponseMetadata, ToolCall, Usage
from llama_index_cf_llama.responses import ResponseAccumulator, chat_response, tool_selections

ADD = ToolCall("call_1", "add", {"a": 1}, '{"a": 1}')
BROKEN = ToolCall("call_2", "add", {}, '{"a": ', "no JSON")
USAGE = Usage(7, 3, 10, 5, 1.25)
REPLY = Reply("Sum:", (ADD, BROKEN), "tool_calls", USAGE, MODEL, ResponseMetadata("ray", "request", 1.3))


def test_a_message_has_one_text_block_and_each_call_in_both_representations():
    message = chat_response(REPLY).message
    assert message.blocks == [
        TextBlock(text="Sum:"),
        ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1}),
        ToolCallBlock(tool_call_id="call_2", tool_name="add", tool_kwargs='{"a": '),
    ]
    assert message.additional_kwargs["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "add", "arguments": '{"a": '}},
    ]
    assert ChatMessage.model_validate_json(message.model_dump_json()) == message


def test_content_is_a_string_even_where_only_tools_are_called():
    response = chat_response(Reply(tool_calls=(ADD,)))
    assert response.message.content == ""
    assert "tool_calls" not in chat_response(Reply("Hi")).message.additional_kwargs


def test_raw_is_plain_json_with_usage_on_top():
    raw = chat_response(REPLY).raw
    assert json.loads(json.dumps(raw)) == raw
    assert raw == {
        "model": MODEL,
        "model_name": MODEL,
        "model_provider": "cloudflare-workers-ai",
        "finish_reason": "tool_calls",
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 5},
        },
        "neurons": 1.25,
        "cost_usd": pytest.approx(7 * 0.293e-6 + 3 * 2.253e-6),
        "request_id": "request",
        "ray_id": "ray",
    }
    counts = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert chat_response(REPLY).additional_kwargs == counts


def test_what_the_service_did_not_say_is_left_out():
    response = chat_response(Reply("Hi", model="@cf/meta/other"))
    assert response.raw == {
        "model": "@cf/meta/other",
        "model_name": "@cf/meta/other",
        "model_provider": "cloudflare-workers-ai",
        "finish_reason": "stop",
    }
    assert response.additional_kwargs == {}
    assert "cost_usd" not in chat_response(Reply(usage=USAGE, model="@cf/meta/other")).raw


def test_a_stream_grows_to_the_whole_answer():
    answer = ResponseAccumulator()
    deltas = [Delta("Su"), Delta("m:"), Delta(tool_calls=(ADD,)), Delta(tool_calls=(BROKEN,)), Delta(reply=REPLY)]
    responses = [answer.add(delta) for delta in deltas]
    assert [response.delta for response in responses] == ["Su", "m:", "", "", ""]
    assert [response.message.content for response in responses] == ["Su", "Sum:", "Sum:", "Sum:", "Sum:"]
    assert [response.raw for response in responses[:-1]] == [None] * 4
    assert responses[-1].model_copy(update={"delta": None}) == chat_response(REPLY)


@given(st.lists(st.text()), st.lists(st.just(ADD) | st.just(BROKEN)))
def test_a_stream_folded_is_the_whole_answer_however_it_is_cut(texts, calls):
    reply = Reply("".join(texts), tuple(calls), usage=USAGE)
    answer = ResponseAccumulator()
    deltas = [*map(Delta, texts), *(Delta(tool_calls=(call,)) for call in calls), Delta(reply=reply)]
    responses = [answer.add(delta) for delta in deltas]
    assert "".join(response.delta for response in responses) == responses[-1].message.content
    assert responses[-1].model_copy(update={"delta": None}) == chat_response(reply)


def test_calls_are_selected_as_they_were_meant_or_not_at_all():
    selected, broken = tool_selections(chat_response(REPLY).message)
    assert (selected.tool_id, selected.tool_name, selected.tool_kwargs) == ("call_1", "add", {"a": 1})
    assert (broken.tool_id, broken.tool_kwargs["invalid_json"]) == ("call_2", '{"a": ')
    assert len(broken.tool_kwargs) > 1  # LlamaIndex would hand a single one to a tool that takes one
