from __future__ import annotations

import pytest
from langchain_core.messages import AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk

from cf_llama.protocol import model as facts
from cf_llama.protocol.reply import Delta, Reply, ResponseMetadata, ToolCall, Usage
from langchain_cf_llama.invalid_tool_calls import MARK
from langchain_cf_llama.responses import FIRST_CALL_INDEX, ChunkWriter, to_message

CALLS = (
    ToolCall("a", "add", {"x": 1}, '{"x": 1}'),
    ToolCall("b", "weather", text='{"city": "Ber', error="not valid JSON"),
    ToolCall("c", "add", {"x": 2}, '{"x": 2}'),
)
REPLY = Reply(
    text="One moment.",
    tool_calls=CALLS,
    finish_reason="tool_calls",
    usage=Usage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100, cached_tokens=600, neurons=47.1),
    model=facts.MODEL,
    response_metadata=ResponseMetadata("ray", "request", 47.0, "HIT", "log"),
)
DELTAS = [Delta("One "), Delta("moment."), Delta(tool_calls=CALLS[:2]), Delta(tool_calls=CALLS[2:]), Delta(reply=REPLY)]


def chunks(deltas: list[Delta]) -> list[ChatGenerationChunk]:
    writer = ChunkWriter(facts.MODEL)
    return [writer.chunk(delta) for delta in deltas]


def added(deltas: list[Delta]) -> AIMessageChunk:
    first, *rest = chunks(deltas)
    return sum((chunk.message for chunk in rest), start=first.message)


def test_a_message_tells_all_that_is_known():
    message = to_message(REPLY)

    assert message.content == "One moment."
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("a", "add", {"x": 1}),
        ("c", "add", {"x": 2}),
    ]
    assert message.invalid_tool_calls == [
        {"type": "invalid_tool_call", "id": "b", "name": "weather", "args": '{"city": "Ber', "error": "not valid JSON"}
    ]
    assert message.usage_metadata == {
        "input_tokens": 1000,
        "output_tokens": 100,
        "total_tokens": 1100,
        "input_token_details": {"cache_read": 600},
    }
    assert message.response_metadata == {
        "model_provider": "cloudflare-workers-ai",
        "model_name": facts.MODEL,
        "finish_reason": "tool_calls",
        "neurons": 47.1,
        "cost_usd": pytest.approx(1000 * 0.293e-6 + 100 * 2.253e-6),
        "request_id": "request",
        "ray_id": "ray",
        "cache_status": "HIT",
        "gateway_log_id": "log",
        "token_usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }


def test_what_the_service_did_not_say_is_left_out():
    message = to_message(Reply(text="Yes.", model=facts.MODEL, response_metadata=ResponseMetadata(neurons=0.0)))

    assert message.usage_metadata is None
    assert message.response_metadata == {
        "model_provider": "cloudflare-workers-ai",
        "model_name": facts.MODEL,
        "finish_reason": "stop",
        "neurons": 0.0,
    }


def test_only_the_price_of_this_model_is_known():
    assert (
        "cost_usd"
        not in to_message(Reply(usage=Usage(1, 1, 2), model="@cf/meta/llama-3.1-8b-instruct")).response_metadata
    )


def test_chunks_add_up_to_the_message():
    whole, message = to_message(REPLY), message_chunk_to_message(added(DELTAS))

    (broken,) = whole.invalid_tool_calls
    assert message == whole.model_copy(
        update={"invalid_tool_calls": [{**broken, "args": MARK + broken["args"], "error": None}]}
    )


def test_calls_keep_clear_of_the_numbers_of_text_blocks():
    indices = [call["index"] for chunk in chunks(DELTAS) for call in chunk.message.tool_call_chunks]

    assert indices == [FIRST_CALL_INDEX, FIRST_CALL_INDEX + 1, FIRST_CALL_INDEX + 2]


def test_only_the_last_chunk_is_the_last():
    written = [chunk.message for chunk in chunks(DELTAS)]

    assert [message.chunk_position for message in written] == [None] * 4 + ["last"]
    assert [bool(message.usage_metadata) for message in written] == [False] * 4 + [True]
    assert ["model_name" in message.response_metadata for message in written] == [True] + [False] * 4


def test_a_stream_of_one_chunk_is_whole():
    assert message_chunk_to_message(added([Delta(reply=Reply(model=facts.MODEL))])) == to_message(
        Reply(model=facts.MODEL)
    )
