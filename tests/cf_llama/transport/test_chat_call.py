"""A call for one answer that is asked for again in other words, without a socket."""

from __future__ import annotations

import json

import httpx
import pytest

from cf_llama import ChatRequest, Settings, ToolChoiceError, Usage
from cf_llama.transport.chat_call import ChatCall

HI = [{"role": "user", "content": "Hi"}]
FORCED = ChatRequest(messages=HI, tools=[{"name": "add"}], tool_choice="add")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMED = ChatRequest(messages=HI, tools=[{"name": "add"}], response_format={"type": "json_schema", "json_schema": CITY})


def call(request, **fields):
    return ChatCall(Settings(account_id="0" * 32, api_token="made-up", **fields).connection(), request, stream=False)


def test_a_call_that_was_not_made_is_asked_for_once_even_without_retries():
    one = call(FORCED, max_retries=0)
    for ask_again in (True, False):
        with one.attempt():
            raise ToolChoiceError("no")
        if ask_again:
            assert one.pause() == 0
    with pytest.raises(ToolChoiceError):
        one.pause()


def test_an_answer_that_was_not_taken_is_counted():
    one = call(FORCED)
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"neurons":0.5}'
    replies = []
    for body in (b'{"response":"no",' + usage + b"}", b'{"tool_calls":[{"name":"add"}],' + usage + b"}"):
        with one.attempt():
            one.open(httpx.Response(200))
            replies = [delta.reply for delta in (*one.feed(body), *one.finish()) if delta.reply]
        if not replies:
            assert one.pause() == 0
    assert replies[0].usage == Usage(10, 4, 14, 0, 1.0)


def answered(*bodies):
    """The reply to FORMED when these come, and what was asked for each of them."""
    one = call(FORMED)
    asked = []
    with httpx.Client() as client:
        for body in bodies:
            asked.append(json.loads(one.http_request(client).content))
            with one.attempt():
                one.open(httpx.Response(200))
                return [*one.feed(body), *one.finish()][-1].reply, asked
            assert one.pause() == 0
    return None, asked


def test_tools_are_offered_before_the_answer_is_put_into_its_form():
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":2}'
    reply, asked = answered(
        b'{"response":"It is Lyon.",' + usage + b"}", b'{"response":{"city":"Lyon"},' + usage + b"}"
    )
    assert (reply.text, reply.usage.total_tokens) == ('{"city": "Lyon"}', 14)
    assert [body.keys() & {"tools", "response_format"} for body in asked] == [{"tools"}, {"response_format"}]


@pytest.mark.parametrize("body", [b'{"tool_calls":[{"name":"add"}]}', b'{"response":{"city":"Lyon"}}'])
def test_a_call_or_an_answer_in_its_form_is_taken_at_once(body):
    reply, asked = answered(body)
    assert reply.tool_calls or reply.text == '{"city": "Lyon"}'
    assert len(asked) == 1
