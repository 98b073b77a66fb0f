"""Every role and block of LlamaIndex on its way to the wire."""

import json
import logging
from types import SimpleNamespace

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from cf_llama import InvalidRequestError
from llama_index_cf_llama.messages import to_wire

CACHED = CachePoint(cache_control=CacheControl(type="ephemeral"))
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def asked(*blocks, role="assistant", **kept):
    return ChatMessage(role=role, blocks=list(blocks), additional_kwargs=kept)


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("chatbot", "assistant"),
        ("model", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
def test_each_role_has_its_place(role, sent):
    assert to_wire([ChatMessage(role=role, content="Hi")]) == [{"role": sent, "content": "Hi"}]


def test_no_role_is_forgotten():
    assert all(to_wire([ChatMessage(role=role, content="")]) for role in MessageRole)


def test_content_is_never_null_and_blocks_of_text_are_lines():
    assert to_wire([ChatMessage(role="user")]) == [{"role": "user", "content": ""}]
    assert to_wire([asked(TextBlock(text="a"), TextBlock(text="b"), role="user")])[0]["content"] == "a\nb"


def test_text_to_cite_is_text_and_hints_are_not():
    message = asked(
        CitableBlock(title="t", source="s", content=[TextBlock(text="a"), TextBlock(text="b")]),
        CachePoint(cache_control=CacheControl(type="ephemeral")),
        ThinkingBlock(content="hm"),
        CitationBlock(cited_content=TextBlock(text="a"), source="s", title="t", additional_location_info={}),
        TextBlock(text="c"),
    )
    assert to_wire([message]) == [{"role": "assistant", "content": "a\nb\nc"}]


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(url="https://example.com/cat.png"),
        AudioBlock(url="https://example.com/cat.wav"),
        VideoBlock(url="https://example.com/cat.mp4"),
        DocumentBlock(url="https://example.com/cat.pdf"),
        CitableBlock(title="t", source="s", content=[ImageBlock(url="https://example.com/cat.png")]),
    ],
)
def test_media_are_refused_by_position_and_type(block):
    with pytest.raises(InvalidRequestError, match=r"messages\[1\] holds a block of type '\w+'; the model takes text"):
        to_wire([ChatMessage(role="system", content="See"), asked(TextBlock(text="What is this?"), block, role="user")])


def test_media_of_another_models_turn_are_left_out_and_logged(caplog):
    turn = asked(TextBlock(text="Here it is."), ImageBlock(url="https://example.com/cat.png"))

    with caplog.at_level(logging.DEBUG, "llama_index_cf_llama"):
        assert to_wire([turn]) == [{"role": "assistant", "content": "Here it is."}]
    assert caplog.messages == ["messages[0]: left out what is no text: image"]


@pytest.mark.parametrize(
    "message",
    [
        asked(ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1})),
        asked(ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs='{"a": 1}')),
        asked(tool_calls=[CALL]),
        asked(tool_calls=[SimpleNamespace(model_dump=lambda: CALL)]),
        asked(tool_calls=[{"id": "call_1", "name": "add", "arguments": {"a": 1}}]),
        asked(ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1}), tool_calls=[CALL]),
    ],
    ids=["block", "block with text", "kept", "object of an SDK", "native form", "both representations"],
)
def test_calls_are_read_from_each_form_and_sent_once(message):
    assert to_wire([message]) == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]


def test_arguments_keep_their_script():
    [turn] = to_wire([asked(ToolCallBlock(tool_call_id="c", tool_name="find", tool_kwargs={"ort": "Zürich"}))])
    assert turn["tool_calls"][0]["function"]["arguments"] == '{"ort": "Zürich"}'


@pytest.mark.parametrize("text", ['{"a": 1', "[1]", "no JSON"])
def test_broken_arguments_go_back_as_json_that_shows_them(text):
    [turn] = to_wire([asked(ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs=text))])
    sent = json.loads(turn["tool_calls"][0]["function"]["arguments"])
    assert sent.pop("error").startswith("the arguments are no")
    assert sent == {"invalid_json": text}


def test_a_call_without_an_id_goes_without_one():
    [turn] = to_wire([asked(ToolCallBlock(tool_name="add"))])
    assert turn["tool_calls"] == [{"type": "function", "function": {"name": "add", "arguments": "{}"}}]


def test_a_result_names_the_tool_whose_call_it_answers():
    call = asked(ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={}))
    result = ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "call_1"})
    expected = {"role": "tool", "content": "3", "tool_call_id": "call_1", "name": "add"}
    assert to_wire([call, result])[1] == expected
    renamed = ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "call_1", "name": "plus"})
    assert to_wire([call, renamed])[1] == expected | {"name": "plus"}


def test_the_direct_answer_of_a_tool_is_an_assistant_turn():
    message = ChatMessage(role="assistant", content="3", additional_kwargs={"tool_call_id": "call_1"})
    assert to_wire([message]) == [{"role": "assistant", "content": "3"}]


def test_messages_are_left_as_they_were():
    message = asked(TextBlock(text="x"), ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs={"a": 1}))
    before = message.model_dump_json()
    to_wire([message])
    assert message.model_dump_json() == before


@pytest.mark.parametrize("role", MessageRole)
def test_the_short_way_of_one_text_leads_where_the_long_one_does(role):
    short, long = (asked(*blocks, role=role) for blocks in ([TextBlock(text="Hi")], [TextBlock(text="Hi"), CACHED]))
    assert to_wire([short]) == to_wire([long])


def test_a_turn_of_another_providers_model_is_told_by_its_text():
    blocks = [TextBlock(text="Here it is."), ImageBlock(url="https://example.com/cat.png")]
    assert to_wire([ChatMessage(role="assistant", blocks=blocks)]) == [{"role": "assistant", "content": "Here it is."}]
