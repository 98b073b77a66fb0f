"""Postings: pages of JSON, and nothing sent twice that the service may have taken."""

from __future__ import annotations

import asyncio

import pytest

from cf_llama import (
    BadResponseError,
    CapacityError,
    ConnectionFailedError,
    InvalidRequestError,
    ServiceError,
    SubmissionInDoubtError,
    Timeouts,
)
from cf_llama.protocol.model import MODEL
from cf_llama.transport.json_call import JSONRequest

pytestmark = pytest.mark.usefixtures("both_event_loops")


@pytest.fixture(params=["post", "apost"])
def post(request, transport):
    def send(content, *, repeatable=False, **settings):
        made = transport(**settings)
        posting = JSONRequest(model=MODEL, content=content, repeatable=repeatable)
        return made.post(posting) if request.param == "post" else asyncio.run(made.apost(posting))

    return send


def test_a_page_comes_as_it_was_written(service, post):
    service.says(b'{"result": {"number": 3e50}, "success": true, "errors": []}', status=202)
    page = post({"requests": [1]})
    assert (page.status, page.content["result"]) == (202, {"number": "3e50"})
    [seen] = service.seen
    assert seen.path.endswith(f"/ai/run/{MODEL}?queueRequest=true")
    assert seen.body == {"requests": [1]}


def test_what_was_refused_is_sent_again(service, post):
    service.refuses(429, 3040)
    service.refuses(500, 3043)
    service.says({"result": 1})
    assert post({}).content == {"result": "1"}
    assert len(service.seen) == 3


def test_a_refusal_is_raised_whatever_its_status(service, post):
    service.refuses(429, 3040)
    with pytest.raises(CapacityError):
        post({}, max_retries=0)
    service.says({"success": False, "errors": [{"code": 5006, "message": "no"}]})
    with pytest.raises(InvalidRequestError):
        post({})


DOUBTFUL = {
    "page of the edge": ({"status": 502}, b"<html>"),
    "reset": ({"ending": "reset"}, b'{"result'),
    "cut": ({"ending": "cut"}, b'{"result'),
    "no JSON": ({}, b"well"),
    "silence": ({"ending": "hang"}, b""),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_the_service_may_have_taken_is_not_sent_again(service, post, name):
    how, body = DOUBTFUL[name]
    service.says(body, **how)
    with pytest.raises(SubmissionInDoubtError, match="may have been taken") as caught:
        post({}, timeout=Timeouts(read=0.2))
    assert len(service.seen) == 1
    assert not caught.value.is_retryable


@pytest.mark.parametrize("name", ["page of the edge", "reset", "cut"])
def test_what_may_be_repeated_is(service, post, name):
    how, body = DOUBTFUL[name]
    service.says(body, **how | {"headers": {"retry-after": "0"}})
    service.says({"result": 1})
    assert post({}, repeatable=True).content == {"result": "1"}


def test_what_was_never_sent_is_in_no_doubt(post):
    with pytest.raises(ConnectionFailedError):
        post({}, max_retries=0, base_url="http://127.0.0.1:9/client/v4")


def test_an_answer_without_end_is_given_up(service, post, monkeypatch):
    monkeypatch.setattr("cf_llama.transport.json_call.MAX_BODY_BYTES", 10)
    service.says(b"[1, 2, 3, 4, 5, 6]")
    with pytest.raises(BadResponseError, match="larger than 10 bytes"):
        post({}, repeatable=True)


def test_a_doubt_keeps_what_is_known(service, post):
    service.says(b"<title>Bad gateway</title>", status=502, headers={"cf-ray": "abc"})
    with pytest.raises(SubmissionInDoubtError) as caught:
        post({})
    assert isinstance(caught.value, ServiceError)
    assert (caught.value.status, caught.value.ray_id) == (502, "abc")
