"""The state of one call across its attempts, without a socket."""

from __future__ import annotations

import json
import time

import httpx
import httpx2
import pytest

from cf_llama import (
    BadResponseError,
    CapacityError,
    ChatRequest,
    ConnectionFailedError,
    InvalidRequestError,
    RequestTimeoutError,
    ServiceError,
    Settings,
    StreamInterruptedError,
    Timeouts,
    ToolChoiceError,
    Usage,
)
from cf_llama.call import Call

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
FORCED = ChatRequest(messages=HI.messages, tools=[{"name": "add"}], tool_choice="add")


def call(**fields):
    settings = Settings(account_id="0" * 32, api_token="made-up", **{"max_retries": 1} | fields)
    return Call(settings.connection(), HI, stream=True)


def fail(one, error):
    with one.attempt():
        raise error
    return one.pause()


def answer(status=200, body=b""):
    return httpx.Response(status, content=body)


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("ConnectError", ConnectionFailedError),
        ("ReadError", ConnectionFailedError),
        ("RemoteProtocolError", ConnectionFailedError),
        ("ProxyError", ConnectionFailedError),
        ("ConnectTimeout", RequestTimeoutError),
        ("ReadTimeout", RequestTimeoutError),
        ("PoolTimeout", RequestTimeoutError),
        ("DecodingError", BadResponseError),
        ("UnsupportedProtocol", InvalidRequestError),
        ("LocalProtocolError", InvalidRequestError),
    ],
)
def test_errors_of_either_library_are_ours(library, kind, ours):
    with pytest.raises(ours, match=kind) as caught:
        fail(call(max_retries=0), getattr(library, kind)("why"))
    assert type(caught.value) is ours
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_mistake_of_the_program_is_not_dressed_up():
    with pytest.raises(ZeroDivisionError):
        fail(call(), ZeroDivisionError())


def test_failures_are_counted():
    one = call(max_retries=2)
    assert [fail(one, CapacityError("Busy", retry_after=0)) for _ in range(2)] == [0, 0]
    with pytest.raises(CapacityError):
        fail(one, CapacityError("Busy", retry_after=0))


def test_nothing_is_tried_again_after_the_first_delta():
    one = call()
    with one.attempt():
        one.open(answer())
        list(one.feed(b'data: {"response":"a"}\n\n'))
        raise httpx.ReadError("why")
    with pytest.raises(StreamInterruptedError) as caught:
        one.pause()
    assert caught.value.partial.text == "a"


def test_a_call_that_was_not_made_is_asked_for_once_even_without_retries():
    one = call(max_retries=0)
    assert fail(one, ToolChoiceError("no")) == 0
    with pytest.raises(ToolChoiceError):
        fail(one, ToolChoiceError("no"))


def test_a_refusal_has_only_an_error():
    one = call(max_retries=0)
    with one.attempt():
        one.open(answer(429))
        assert list(one.feed(b'{"errors":[{"code":3040,"message":"Busy"}]}')) == []
        list(one.finish())
    with pytest.raises(CapacityError):
        one.pause()


def test_a_refusal_that_broke_off_is_still_that_refusal():
    one = call(max_retries=0)
    with one.attempt():
        one.open(answer(502))
        list(one.feed(b"<title>502: Bad gateway</title>"))
        raise httpx.ReadError("why")
    with pytest.raises(ServiceError, match="Bad gateway"):
        one.pause()


def test_an_answer_that_was_not_taken_is_counted():
    one = Call(Settings(account_id="0" * 32, api_token="made-up").connection(), FORCED, stream=False)
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"neurons":0.5}'
    replies = []
    for body in (b'{"response":"no",' + usage + b"}", b'{"tool_calls":[{"name":"add"}],' + usage + b"}"):
        with one.attempt():
            one.open(answer())
            replies = [delta.reply for delta in (*one.feed(body), *one.finish()) if delta.reply]
        if not replies:
            assert one.pause() == 0
    assert replies[0].usage == Usage(10, 4, 14, 0, 1.0)


def test_no_attempt_begins_after_the_time_for_all():
    one = call(timeout=Timeouts(total=30), max_retries=5)
    with pytest.raises(CapacityError):
        fail(one, CapacityError("Busy", retry_after=31))


def test_what_comes_too_late_is_not_waited_for():
    one = call(timeout=Timeouts(total=1e-9), max_retries=5)
    with httpx.Client() as client:
        assert max(one.http_request(client).extensions["timeout"].values()) == 0.001
    with one.attempt():
        one.open(answer())
        list(one.feed(b'data: {"response":"a"}\n\n'))
    with pytest.raises(StreamInterruptedError, match="whole call") as caught:
        one.pause()
    assert caught.value.partial.text == "a"


@pytest.mark.parametrize(("stream", "read"), [(False, 7), (True, 3)])
def test_a_stream_waits_for_its_next_event_and_a_whole_answer_for_itself(stream, read):
    settings = Settings(account_id="0" * 32, api_token="made-up", timeout=Timeouts(connect=1, read=7, stall=3))
    with httpx.Client() as client:
        request = Call(settings.connection(), HI, stream=stream).http_request(client)
    assert request.extensions["timeout"] == {"connect": 1, "read": read, "write": read, "pool": 7}


def test_an_attempt_that_ended_with_nothing_is_an_error():
    with pytest.raises(BadResponseError):
        call().pause()


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMED = ChatRequest(
    messages=HI.messages, tools=[{"name": "add"}], response_format={"type": "json_schema", "json_schema": CITY}
)


def answered(*bodies):
    """The reply to FORMED when these come, and what was asked for each of them."""
    one = Call(Settings(account_id="0" * 32, api_token="made-up").connection(), FORMED, stream=False)
    asked = []
    with httpx.Client() as client:
        for body in bodies:
            asked.append(json.loads(one.http_request(client).content))
            with one.attempt():
                one.open(answer())
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


def test_each_step_has_what_the_steps_before_it_left_of_the_time():
    with httpx.Client() as client:
        one = call(timeout=Timeouts(connect=9, total=0.2))
        within = one.http_request(client).extensions["within"]
        time.sleep(0.1)
        assert within(9) <= 0.1
        assert within(None) <= 0.1
        assert within(0.01) == 0.01
        time.sleep(0.15)
        assert 0 < within(9) <= 0.001


@pytest.mark.parametrize("seconds", [1e300, float("inf"), None])
def test_a_wait_longer_than_a_socket_knows_is_one_without_end(seconds):
    assert call(timeout=Timeouts(stall=seconds)).patience() is None
