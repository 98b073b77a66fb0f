"""A call across its attempts, without a socket."""

from __future__ import annotations

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
)
from cf_llama.transport.chat_call import ChatCall

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])


def call(**fields):
    settings = Settings(account_id="0" * 32, api_token="made-up", **{"max_retries": 1} | fields)
    return ChatCall(settings.connection(), HI, stream=True)


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


@pytest.mark.parametrize(("total", "text"), [(1e-9, "the time for the whole call is over"), (60, "no answer in time")])
def test_a_timeout_says_whether_the_whole_call_is_over(total, text):
    with pytest.raises(RequestTimeoutError, match=text):
        fail(call(timeout=Timeouts(total=total), max_retries=0), httpx.ReadTimeout("it took too long"))


@pytest.mark.parametrize(("stream", "read"), [(False, 7), (True, 3)])
def test_a_stream_waits_for_its_next_event_and_a_whole_answer_for_itself(stream, read):
    settings = Settings(account_id="0" * 32, api_token="made-up", timeout=Timeouts(connect=1, read=7, stall=3))
    with httpx.Client() as client:
        request = ChatCall(settings.connection(), HI, stream=stream).http_request(client)
    assert request.extensions["timeout"] == {"connect": 1, "read": read, "write": read, "pool": 7}


def test_an_attempt_that_ended_with_nothing_is_an_error():
    with pytest.raises(BadResponseError):
        call().pause()


def test_each_step_has_what_the_steps_before_it_left_of_the_time():
    with httpx.Client() as client:
        one = call(timeout=Timeouts(connect=9, total=0.2))
        within = one.http_request(client).extensions["remaining"]
        time.sleep(0.1)
        assert within(9) <= 0.1
        assert within(None) <= 0.1
        assert within(0.01) == 0.01
        time.sleep(0.15)
        assert 0 < within(9) <= 0.001


@pytest.mark.parametrize("seconds", [1e300, float("inf"), None])
def test_a_wait_longer_than_a_socket_knows_is_one_without_end(seconds):
    assert call(timeout=Timeouts(stall=seconds)).read_timeout() is None
