from __future__ import annotations

import copy
import json
import logging

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from cf_llama.protocol.errors import InvalidRequestError
from langchain_cf_llama.messages import to_wire


def wire_call(call_id: str, name: str, arguments: str) -> dict:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


PLAIN = [
    (SystemMessage("be good"), {"role": "system", "content": "be good"}),
    (HumanMessage("hi", name="ann"), {"role": "user", "content": "hi", "name": "ann"}),
    (AIMessage("hello"), {"role": "assistant", "content": "hello"}),
    (ToolMessage("4", tool_call_id="a", name="f"), {"role": "tool", "tool_call_id": "a", "content": "4", "name": "f"}),
    (ToolMessage("no", tool_call_id="a", status="error"), {"role": "tool", "tool_call_id": "a", "content": "no"}),
    (ChatMessage("hi", role="assistant"), {"role": "assistant", "content": "hi"}),
    (ChatMessage("hi", role="developer"), {"role": "system", "content": "hi"}),
]  # fmt: skip

BLOCKS = [
    (HumanMessage(["a", {"type": "text", "text": "b"}]), "ab"),
    (SystemMessage([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]), "a"),
    (HumanMessage([{"type": "text-plain", "text": "notes", "mime_type": "text/plain"}]), "notes"),
    (AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}]), "yes"),
    (AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "yes"}]), "yes"),
    (AIMessage([{"type": "refusal", "refusal": "I will not"}]), "I will not"),
    (AIMessage([{"type": "non_standard", "value": {"x": 1}}]), ""),
    (ToolMessage([{"type": "text", "text": "a"}, "b"], tool_call_id="t"), "ab"),
    (ToolMessage([{"sum": 4, "von": "Bø"}], tool_call_id="t"), '[{"sum": 4, "von": "Bø"}]'),
    (ToolMessage([], tool_call_id="t"), ""),
]

NOTES = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "All is well."}}
PARTS = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "All "}, "is well."]}}
FOUND = {
    "type": "search_result",
    "source": "https://example.com/leave",
    "title": "Leave",
    "content": [{"type": "text", "text": "27 days."}],
    "citations": {"enabled": True},
}
DOCUMENTS = [
    ([NOTES], "\nAll is well.\n"),
    (["Sum up:", NOTES | {"title": "Notes", "context": "of May"}], "Sum up:\nNotes\nof May\nAll is well.\n"),
    ([NOTES | {"title": None, "citations": {"enabled": True}}, "Sum it up."], "\nAll is well.\nSum it up."),
    ([PARTS], "\nAll is well.\n"),
    ([PARTS | {"source": {"type": "content", "content": "All is well."}}], "\nAll is well.\n"),
    ([FOUND], "\nLeave\nhttps://example.com/leave\n27 days.\n"),
    ([{"type": "text-plain", "text": "All is well.", "title": "Notes"}], "\nNotes\nAll is well.\n"),
    ([{"type": "text-plain", "text": "All is well.", "context": "of May"}], "\nof May\nAll is well.\n"),
]


@pytest.mark.parametrize(("content", "text"), DOCUMENTS)
def test_documents_that_are_text_are_told_with_their_titles(content, text):
    tool = ToolMessage(content, tool_call_id="t")
    within = HumanMessage([{"type": "tool_result", "tool_use_id": "t", "content": content}])
    assert [wire["content"] for wire in to_wire([HumanMessage(content), tool, within])] == [text] * 3


def test_documents_beside_data_of_a_tool_are_sent_as_json_with_it():
    (wire,) = to_wire([ToolMessage([NOTES, {"sum": 4}], tool_call_id="t")])
    assert json.loads(wire["content"]) == [NOTES, {"sum": 4}]


@pytest.mark.parametrize(("message", "wire"), PLAIN)
def test_a_message_becomes_a_role_and_a_string(message, wire):
    assert to_wire([message]) == [wire]


@pytest.mark.parametrize(("message", "text"), BLOCKS)
def test_blocks_become_one_string(message, text):
    assert [wire["content"] for wire in to_wire([message])] == [text]


def test_all_calls_of_a_turn_are_kept_beside_its_text():
    calls = [
        {"name": "add", "args": {"a": 1}, "id": "x", "type": "tool_call"},
        {"name": "greet", "args": {"who": "Bø"}, "id": "y", "type": "tool_call"},
    ]

    assert to_wire([AIMessage("one moment", tool_calls=calls)]) == [
        {
            "role": "assistant",
            "content": "one moment",
            "tool_calls": [wire_call("x", "add", '{"a": 1}'), wire_call("y", "greet", '{"who": "Bø"}')],
        }
    ]


def test_a_turn_of_calls_alone_has_an_empty_string_for_content():
    message = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": None, "type": "tool_call"}])

    assert to_wire([message]) == [{"role": "assistant", "content": "", "tool_calls": [wire_call("call_0", "f", "{}")]}]


def test_invalid_calls_are_kept_as_valid_json():
    message = AIMessage("", invalid_tool_calls=[{"name": "f", "args": '{"a": ', "id": "x", "error": None}])

    (wire,) = to_wire([message])

    assert json.loads(wire["tool_calls"][0]["function"]["arguments"])["invalid_json"] == '{"a": '


CALL = {"name": "f", "args": {"a": 1}, "id": "x", "type": "tool_call"}
FOREIGN = [
    AIMessage([{"type": "text", "text": "ok"}, {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}]),
    AIMessage([{"type": "text", "text": "ok"}, {"type": "tool_use", "id": "x", "name": "f"}], tool_calls=[CALL]),
    AIMessage(content_blocks=[{"type": "text", "text": "ok"}, CALL]),
    AIMessage(
        [{"type": "text", "text": "ok", "index": 0}, {**CALL, "index": 1}],
        tool_calls=[CALL],
        response_metadata={"output_version": "v1", "model_provider": "openai"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("message", FOREIGN)
def test_calls_in_blocks_of_other_providers_are_sent_once(message):
    assert to_wire([message]) == [
        {"role": "assistant", "content": "ok", "tool_calls": [wire_call("x", "f", '{"a": 1}')]}
    ]


def test_results_within_a_human_turn_become_turns_of_their_own():
    message = HumanMessage(
        [
            {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "4"}]},
            {"type": "tool_result", "tool_use_id": "y", "content": "5"},
            {"type": "text", "text": "and now?"},
        ]
    )

    assert to_wire([message]) == [
        {"role": "tool", "tool_call_id": "x", "content": "4"},
        {"role": "tool", "tool_call_id": "y", "content": "5"},
        {"role": "user", "content": "and now?"},
    ]


REFUSED = [
    (HumanMessage([{"type": "image_url", "image_url": {"url": "data:"}}]), r"messages\[0\].content\[0\].*image_url"),
    (HumanMessage(["x", {"type": "image", "url": "u"}]), r"messages\[0\].content\[1\].*image"),
    (ToolMessage([{"type": "image", "base64": "AA=="}], tool_call_id="t"), r"content\[0\].*image"),
    *(
        (message, rf"content\[0\].*{block['type']}")
        for block in [
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {}}]}},
            {"type": "document", "source": {"type": "content", "content": None}},
            {"type": "document", "source": {"type": "content", "content": []}},
            {"type": "document"},
        ]
        for message in (HumanMessage([block]), ToolMessage([block], tool_call_id="t"))
    ),
    (HumanMessage([{"type": "search_result", "content": [{"type": "image"}]}]), r"content\[0\].*search_result"),
    (FunctionMessage("4", name="f"), "messages.0. is a FunctionMessage"),
    (RemoveMessage("id"), "RemoveMessage"),
]


OF_OTHER_MODELS = [  # a turn of another provider's model, as its package writes it
    [
        {"type": "text", "text": "I will look. "},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tulips"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
        {"type": "text", "text": "Red.", "citations": [{"type": "web_search_result_location", "url": "u"}]},
    ],
    [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "text", "text": "I will look. Red.", "annotations": [{"type": "url_citation", "url": "u"}]},
    ],
    [
        {"type": "thinking", "thinking": "hm"},
        "I will look. ",
        {"type": "executable_code", "executable_code": "1 + 1", "language": "python"},
        {"type": "code_execution_result", "code_execution_result": "2", "outcome": 1},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        "Red.",
    ],
    [
        {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {}},
        {"type": "server_tool_result", "tool_call_id": "s1", "status": "success"},
        {"type": "text", "text": "I will look. Red."},
        {"type": "image", "base64": "AA==", "mime_type": "image/png"},
    ],
]


@pytest.mark.parametrize("content", OF_OTHER_MODELS, ids=["anthropic", "openai", "google", "content blocks"])
def test_a_turn_of_another_providers_model_is_told_by_its_text(content):
    call = {"id": "c1", "name": "weather", "args": {"city": "Oslo"}}
    [turn] = to_wire([AIMessage(content, tool_calls=[call])])
    assert turn["content"] == "I will look. Red."
    assert [each["id"] for each in turn["tool_calls"]] == ["c1"]


def test_a_chat_message_of_an_assistant_is_a_turn_of_a_model_too():
    [turn] = to_wire([ChatMessage(OF_OTHER_MODELS[3], role="assistant")])
    assert turn == {"role": "assistant", "content": "I will look. Red."}


def test_what_is_left_out_is_logged(caplog):
    with caplog.at_level(logging.DEBUG, "langchain_cf_llama"):
        to_wire([HumanMessage("Hi"), AIMessage(OF_OTHER_MODELS[0])])
    assert caplog.messages == ["messages[1].content: left out what is no text: server_tool_use, web_search_tool_result"]


@pytest.mark.parametrize(
    "refusal",
    [AIMessage([{"type": "refusal", "refusal": "No."}]), AIMessage("", additional_kwargs={"refusal": "No."})],
    ids=["block", "beside the content"],
)
def test_a_refusal_of_openais_is_what_was_said(refusal):
    assert to_wire([refusal]) == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize(("message", "words"), REFUSED)
def test_what_the_model_cannot_read_is_refused(message, words):
    with pytest.raises(InvalidRequestError, match=words):
        to_wire([message])


def test_messages_are_left_as_they_are():
    messages = [message for message, _ in PLAIN + BLOCKS] + FOREIGN
    before = copy.deepcopy(messages)

    to_wire(messages)

    assert messages == before
