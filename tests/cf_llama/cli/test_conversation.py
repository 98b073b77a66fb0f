"""The messages of a chat."""

import json

import pytest

from cf_llama import ChatRequest, Reply, ToolCall, Usage
from cf_llama.cli.conversation import Conversation


def test_messages_are_in_the_form_of_a_request():
    talk = Conversation("Be brief")
    talk.add_user("Where is order 1?")
    talk.add_reply(Reply("", (ToolCall("a", "status", {"order": 1}, '{"order": 1}'),), usage=Usage(10, 5, 15)))
    talk.add_result(ToolCall("a", "status"), "left")
    talk.add_reply(Reply("It has left.", usage=Usage(20, 6, 26)))
    assert talk.messages == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Where is order 1?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "status", "arguments": '{"order": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "left"},
        {"role": "assistant", "content": "It has left."},
    ]
    assert (talk.replies, talk.usage) == (2, Usage(30, 11, 41))
    assert ChatRequest(messages=talk.messages)


def test_arguments_that_are_no_json_go_back_as_json():
    talk = Conversation()
    talk.add_reply(Reply("", (ToolCall("a", "status", text='{"order', error="no JSON"),)))
    assert '{"order' in json.loads(talk.turns[0]["tool_calls"][0]["function"]["arguments"]).values()


def test_a_reply_that_did_not_end_is_kept_as_far_as_it_came():
    talk = Conversation()
    talk.add_user("Count")
    talk.give_up("One two", Usage(9, 2, 11))
    assert [turn["content"] for turn in talk.turns] == ["Count", "One two"]
    assert (talk.usage, talk.replies) == (Usage(9, 2, 11), 0)


def test_a_message_without_any_reply_is_taken_back_and_a_result_is_not():
    talk = Conversation()
    talk.add_user("Count")
    talk.give_up("")
    assert talk.turns == []
    talk.add_result(ToolCall("a", "status"), "left")
    talk.give_up("")
    assert len(talk.turns) == 1


def test_a_conversation_is_saved_and_loaded():
    talk = Conversation("Be brief")
    talk.add_user("Grüße")
    other = Conversation("Another", [{"role": "user", "content": "x"}])
    other.loads(talk.dumps())
    assert other.messages == talk.messages
    other.loads(json.dumps(talk.turns))
    assert (other.system, other.turns) == ("", talk.turns)


@pytest.mark.parametrize("text", ["{", "{}", "1", "[]", '{"messages": null}', '[{"role": "robot", "content": ""}]'])
def test_what_is_no_conversation_changes_nothing(text):
    talk = Conversation("Be brief", [{"role": "user", "content": "Hi"}])
    with pytest.raises(ValueError, match="it is no conversation: "):
        talk.loads(text)
    assert len(talk.messages) == 2
