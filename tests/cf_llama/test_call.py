"""The state of one call across its attempts, without a socket."""

from __future__ import annotations

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
    Settings,
    StreamInterruptedError,
    Timeouts,
    ToolChoiceError,
)
from cf_llama.call import Call

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])


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
        list(one.reading(answer()).feed(b'data: {"response":"a"}\n\n'))
        raise httpx.ReadError("why")
    with pytest.raises(StreamInterruptedError) as caught:
        one.pause()
    assert caught.value.partial.text == "a"


def test_a_call_that_was_not_made_is_asked_for_once_even_without_retries():
    one = call(max_retries=0)
    assert fail(one, ToolChoiceError("no")) == 0
    with pytest.raises(ToolChoiceError):
        fail(one, ToolChoiceError("no"))


def test_a_refusal_has_no_reading():
    with pytest.raises(CapacityError):
        call().reading(answer(429, b'{"errors":[{"code":3040,"message":"Busy"}]}'))


@pytest.mark.parametrize(("stream", "read"), [(False, 7), (True, 3)])
def test_a_stream_waits_for_its_next_event_and_a_whole_answer_for_itself(stream, read):
    settings = Settings(account_id="0" * 32, api_token="made-up", timeout=Timeouts(connect=1, read=7, stall=3))
    with httpx.Client() as client:
        request = Call(settings.connection(), HI, stream=stream).http_request(client)
    assert request.extensions["timeout"] == {"connect": 1, "read": read, "write": read, "pool": 7}


def test_an_attempt_that_ended_with_nothing_is_an_error():
    with pytest.raises(BadResponseError):
        call().pause()
