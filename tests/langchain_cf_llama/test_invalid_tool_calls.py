from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.utils.json import parse_partial_json

from langchain_cf_llama import invalid_tool_calls

MENDED_BY_LANGCHAIN = ['{"city": "Ber', '{"city": "Bergen"', '{"city": "Bergen",', '{"days": 1', '{"a": "b"} and so on']
LEFT_ALONE = ["Bergen", '["Bergen"]', '{"city": "Bergen"]', "{'city'}]"]


@pytest.mark.parametrize("text", MENDED_BY_LANGCHAIN)
def test_what_langchain_would_complete_is_marked(text):
    assert isinstance(parse_partial_json(text), dict)
    assert invalid_tool_calls.unrepairable(text) == invalid_tool_calls.MARK + text


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_langchain_leaves_alone_stays_as_it_is(text):
    assert invalid_tool_calls.unrepairable(text) == text


@pytest.mark.parametrize("text", MENDED_BY_LANGCHAIN + LEFT_ALONE)
def test_broken_arguments_stay_broken_when_chunks_are_added_up(text):
    call = tool_call_chunk(name="weather", args=invalid_tool_calls.unrepairable(text), id="c", index=100)
    message = AIMessageChunk("", tool_call_chunks=[call]) + AIMessageChunk("", chunk_position="last")

    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"].removeprefix(invalid_tool_calls.MARK) == text


def test_broken_arguments_go_back_as_json():
    assert (
        json.loads(invalid_tool_calls.repeatable(invalid_tool_calls.MARK + '{"city": "Bør'))["invalid_json"]
        == '{"city": "Bør'
    )
    assert json.loads(invalid_tool_calls.repeatable("[1]"))["invalid_json"] == "[1]"
    assert invalid_tool_calls.repeatable('{"city": "Bergen"}') == '{"city": "Bergen"}'
