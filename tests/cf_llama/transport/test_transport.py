"""The socket, sync and async: what goes out, what is tried again, and what is never sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import time

import httpx
import httpx2
import pytest

from cf_llama import (
    MODEL,
    AuthenticationError,
    BadResponseError,
    CapacityError,
    ChatRequest,
    ConnectionFailedError,
    Delta,
    JSONModeError,
    QuotaExceededError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
    Timeouts,
    ToolChoiceError,
    Transport,
    WorkersAIError,
)

pytestmark = pytest.mark.usefixtures("both_event_loops")

MESSAGES = [{"role": "user", "content": "Hi"}]
HI = ChatRequest(messages=MESSAGES)
TOOL = {"name": "get_status", "description": "State of a host", "parameters": {"type": "object", "properties": {}}}
FORCED = ChatRequest(messages=MESSAGES, tools=[TOOL], tool_choice="required")
CALL = {"response": None, "tool_calls": [{"name": "get_status", "arguments": {}}]}


# what goes out


def test_asks_for_a_whole_answer(caller, service, transport):
    service.replies("Hello")
    assert caller.run(transport(), HI).text == "Hello"
    (seen,) = service.seen
    assert seen.path == f"/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/{MODEL}"
    assert seen.body == {"messages": MESSAGES, "max_tokens": 2048}
    assert seen.headers["authorization"] == "Bearer made-up-token-of-no-account"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("cf_llama/")


def test_asks_for_a_stream(caller, service, transport):
    service.streams({"response": "Hel"}, {"response": 10}, {"response": "", "usage": {"prompt_tokens": 1}})
    *deltas, last = caller.stream(transport(), HI)
    assert deltas == [Delta(text="Hel"), Delta(text="10")]
    assert last.reply.text == "Hel10"
    assert service.seen[0].body == {"messages": MESSAGES, "max_tokens": 2048, "stream": True}


def test_sends_the_headers_of_the_settings(ask, service, transport):
    service.replies()
    ask(transport(session_id="s-1", gateway="mine", default_headers={"X-Team": "a", "User-Agent": "own"}), HI)
    headers = service.seen[0].headers
    assert (headers["x-session-affinity"], headers["cf-aig-gateway-id"], headers["x-team"]) == ("s-1", "mine", "a")
    assert headers.get_list("user-agent") == ["own"]


def test_a_whole_answer_to_a_stream_is_one_delta(caller, service, transport):
    service.replies("Hello")
    first, last = caller.stream(transport(), HI)
    assert (first.text, last.reply.text) == ("Hello", "Hello")


def test_json_mode_is_never_streamed(caller, service, transport):
    service.says({"result": {"response": {"a": 1}}, "success": True})
    schema = {"type": "json_schema", "json_schema": {"type": "object"}}
    deltas = caller.stream(transport(), ChatRequest(messages=MESSAGES, response_format=schema))
    assert [delta.text for delta in deltas] == ['{"a": 1}', ""]
    assert "stream" not in service.seen[0].body


def test_text_that_no_utf8_can_hold_is_sent_as_an_escape(ask, service, transport):
    service.replies()
    ask(transport(), ChatRequest(messages=[{"role": "user", "content": "half \ud83d"}]))
    assert service.seen[0].last_message == "half \ud83d"


# what is tried again


def test_an_empty_answer_is_tried_again_as_if_the_connection_had_broken(ask, service, transport):
    service.says(headers={"retry-after": "0"})
    service.says(b" \r\n", headers={"retry-after": "0"})
    service.replies("Hello")
    assert ask(transport(), HI).text == "Hello"


def test_an_answer_that_stays_empty_is_an_error_that_says_so(ask, service, transport):
    service.says(headers={"cf-ray": "8f-ZRH"})
    with pytest.raises(BadResponseError, match="the answer is empty") as caught:
        ask(transport(max_retries=0), HI)
    assert (caught.value.status, caught.value.ray_id) == (200, "8f-ZRH")


def test_an_answer_that_cannot_be_read_is_not_tried_again(ask, service, transport):
    service.says(b"{", headers={"retry-after": "0"})
    with pytest.raises(BadResponseError, match="cannot be read"):
        ask(transport(), HI)
    assert len(service.seen) == 1


@pytest.mark.parametrize(("status", "code"), [(429, 3040), (429, 3021), (500, 3043), (400, 2005)])
def test_a_passing_failure_is_tried_again(ask, service, transport, status, code):
    service.refuses(status, code)
    service.replies("Hello")
    assert ask(transport(), HI).text == "Hello"
    assert service.seen[0].body == service.seen[1].body


@pytest.mark.parametrize("status", [409, 522])
def test_a_passing_failure_of_the_edge_is_tried_again(ask, service, transport, status):
    service.says(b"<html><title>Busy</title></html>", status=status, headers={"retry-after": "0"})
    service.replies("Hello")
    assert ask(transport(), HI).text == "Hello"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [((429, 3036), QuotaExceededError), ((429, 4006), QuotaExceededError), ((401, 10000), AuthenticationError)],
)
def test_a_lasting_failure_is_not_tried_again(ask, service, transport, refusal, kind):
    service.refuses(*refusal, cf_ray="8f-ZRH", cf_ai_req_id="r1")
    with pytest.raises(kind) as caught:
        ask(transport(), HI)
    assert len(service.seen) == 1
    error = caught.value
    assert (error.status, error.code, error.ray_id, error.request_id) == (*refusal, "8f-ZRH", "r1")


@pytest.mark.parametrize(("max_retries", "requests"), [(0, 1), (2, 3), (4, 5)])
def test_gives_up_after_max_retries(ask, service, transport, max_retries, requests):
    for _ in range(requests):
        service.refuses(429, 3040)
    with pytest.raises(CapacityError):
        ask(transport(max_retries=max_retries), HI)
    assert len(service.seen) == requests


def test_unmet_json_mode_is_asked_once_more(ask, service, transport):
    service.refuses(400, 5024)
    service.refuses(400, 5024)
    with pytest.raises(JSONModeError):
        ask(transport(max_retries=5), HI)
    assert len(service.seen) == 2


def test_a_gateway_that_refuses_a_token_that_worked_is_asked_once_more(ask, service, transport):
    service.replies()
    service.refuses(401, 2009)
    service.replies("Hello")
    service.refuses(401, 2009)
    service.refuses(400, 2009)
    assert [ask(transport(gateway="mine", max_retries=5), HI).text for _ in range(2)] == ["Hello", "Hello"]
    with pytest.raises(AuthenticationError) as caught:
        ask(transport(gateway="mine", max_retries=5), HI)
    assert (len(service.seen), caught.value.is_retryable) == (5, False)
    service.refuses(401, 2009)
    with pytest.raises(AuthenticationError):  # as it has not worked since
        ask(transport(gateway="mine", max_retries=5), HI)
    assert len(service.seen) == 6


@pytest.mark.parametrize(
    "other",
    [
        {"gateway": "another"},
        {"api_token": "another-token-of-no-account"},
        {"default_headers": {"cf-aig-authorization": "Bearer x"}},
    ],
    ids=["gateway", "token", "gateway's token"],
)
def test_a_gateway_that_refuses_a_token_that_is_new_to_it_is_not_asked_again(ask, service, transport, other):
    service.replies()
    service.refuses(401, 2009)
    ask(transport(gateway="mine"), HI)
    with pytest.raises(AuthenticationError):
        ask(transport(**{"gateway": "mine"} | other), HI)
    assert len(service.seen) == 2


def test_waits_as_long_as_it_is_asked_to(caller, service, transport):
    service.refuses(429, 3021, retry_after_ms="400")
    service.replies()
    start = time.monotonic()
    caller.run(transport(), HI)
    assert time.monotonic() - start >= 0.4


def test_a_connection_that_breaks_before_the_answer_is_tried_again(ask, service, transport):
    service.says(ending="reset")
    service.replies("Hello")
    assert ask(transport(), HI).text == "Hello"


def test_a_closed_port_is_a_connection_error(ask, service, settings):
    port = service.server_port
    service.server_close()
    with pytest.raises(ConnectionFailedError) as caught:
        ask(Transport(settings(max_retries=0, base_url=f"http://127.0.0.1:{port}/client/v4").connection()), HI)
    assert caught.value.is_retryable


@pytest.mark.parametrize("mode", ["read", "stall"])
def test_silence_is_a_timeout(caller, service, transport, mode):
    service.says(ending="hang")
    patient = transport(timeout=Timeouts(**{"read": 5, "stall": 5, mode: 0.2}), max_retries=0)
    with pytest.raises(RequestTimeoutError):
        caller.run(patient, HI) if mode == "read" else caller.stream(patient, HI)


def test_a_redirect_does_not_carry_the_token_away(ask, service, transport):
    service.says(b"", status=302, headers={"location": service.base_url})
    with pytest.raises(WorkersAIError) as caught:
        ask(transport(), HI)
    assert (caught.value.status, len(service.seen)) == (302, 1)
    assert "Redirects are not followed" in str(caught.value)


def test_gzip_goes_by_its_old_name_too(ask, service, transport):
    service.says(gzip.compress(ANSWER), headers={"content-encoding": "x-gzip"})
    assert ask(transport(), HI).text == "4"


def test_an_answer_in_a_broken_encoding_is_unreadable(ask, service, transport):
    service.says(b"no gzip", headers={"content-encoding": "gzip"})
    with pytest.raises(BadResponseError):
        ask(transport(), HI)
    assert len(service.seen) == 1


# what was delivered is never asked for again


@pytest.mark.parametrize("ending", ["cut", "hang"])
@pytest.mark.parametrize("done", [True, False])
def test_a_connection_that_breaks_after_a_complete_answer_takes_nothing_from_it(
    caller, service, transport, done, ending
):
    last = {"response": "all", "finish_reason": "length"}
    service.streams({"response": "That is "}, last, done=done, ending=ending)
    reply = caller.stream(transport(timeout=Timeouts(stall=0.2)), HI)[-1].reply
    assert (reply.text, reply.finish_reason) == ("That is all", "length")


@pytest.mark.parametrize("ending", ["cut", "reset", "hang", "whole"])
def test_a_stream_that_breaks_off_keeps_its_text(caller, service, transport, ending):
    service.streams({"response": "Half an"}, done=False, ending=ending, headers={"cf-ray": "8f-ZRH"})
    with pytest.raises(StreamInterruptedError) as caught:
        caller.stream(transport(timeout=Timeouts(stall=0.3)), HI)
    assert (caught.value.partial.text, caught.value.ray_id, len(service.seen)) == ("Half an", "8f-ZRH", 1)


def test_an_error_in_mid_stream_keeps_its_text(caller, service, transport):
    service.streams({"response": "Half an"}, {"errors": [{"code": 3040, "message": "Capacity"}]})
    with pytest.raises(StreamInterruptedError) as caught:
        caller.stream(transport(), HI)
    assert (caught.value.partial.text, caught.value.code, len(service.seen)) == ("Half an", 3040, 1)


def test_an_error_at_the_start_of_a_stream_is_tried_again(caller, service, transport):
    service.streams({"response": ""}, {"errors": [{"code": 3040, "message": "Capacity"}]})
    service.streams({"response": "Hello"})
    assert caller.stream(transport(), HI)[-1].reply.text == "Hello"


def test_a_stream_that_ends_before_it_said_anything_is_tried_again(caller, service, transport):
    service.streams({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, done=False)
    service.streams({"response": "Hello"})
    assert caller.stream(transport(), HI)[-1].reply.text == "Hello"


def test_closing_a_stream_early_closes_the_connection(caller, service, transport):
    service.streams({"response": "one"}, {"response": "two"}, done=False, ending="hang")
    assert caller.first(transport(), HI).text == "one"
    assert service.left.wait(5)


def test_a_stop_sequence_closes_the_connection(caller, service, transport):
    service.streams({"response": "one EN"}, {"response": "D two"}, done=False, ending="hang")
    last = caller.stream(transport(), ChatRequest(messages=MESSAGES, stop=("END",)))[-1]
    assert (last.reply.text, last.reply.finish_reason) == ("one ", "stop")
    assert service.left.wait(5)


def test_two_streams_at_once_stay_apart(service, transport):
    for name in "ab":
        service.streams({"response": f"{name}1 "}, {"response": f"{name}2"})
    one, two = transport().stream(HI), transport().stream(HI)
    texts = [[next(one).text, next(two).text], [next(one).text, next(two).text]]
    assert texts == [["a1 ", "b1 "], ["a2", "b2"]]
    assert [list(one)[-1].reply.text, list(two)[-1].reply.text] == ["a1 a2", "b1 b2"]


async def test_many_asynchronous_streams_at_once_stay_apart(service, transport):
    async def echo():
        return "".join([delta.text async for delta in transport().astream(HI)])

    for number in range(8):
        service.streams(*({"response": f"{number} "} for _ in range(20)))
    answers = await asyncio.gather(*(echo() for _ in range(8)))
    assert sorted(answers) == [f"{number} " * 20 for number in range(8)]


async def test_a_cancelled_call_closes_the_connection(service, transport):
    service.says(ending="hang")
    call = asyncio.create_task(transport().arun(HI))
    assert await asyncio.to_thread(service.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(service.left.wait, 5)


# forced calls


def test_a_forced_call_is_asked_for_once_more_in_words(ask, service, transport):
    service.replies("I would rather talk.")
    service.says({"result": CALL, "success": True})
    reply = ask(transport(), FORCED)
    assert [call.name for call in reply.tool_calls] == ["get_status"]
    first, second = service.seen
    assert first.body["tool_choice"] == {"type": "function", "function": {"name": "get_status"}}
    assert second.body["messages"][:-1] == first.body["messages"]
    assert "get_status" in second.last_message


def test_a_forced_call_that_never_comes_is_an_error_with_the_answer(ask, service, transport):
    for _ in range(4):
        service.replies("I would rather talk.")
    with pytest.raises(ToolChoiceError, match="get_status") as caught:
        ask(transport(max_retries=2), FORCED)
    assert caught.value.partial.text == "I would rather talk."
    assert len(service.seen) == 2


# clients


def test_equal_connections_share_one_socket(service, transport):
    for _ in range(3):
        service.replies()
        transport().run(HI)
    assert len(service.connections) == 1


def test_each_event_loop_closes_its_own_client(service, transport):
    async def ask_twice():
        return [(await transport().arun(HI)).text for _ in range(2)]

    for _ in range(4):
        service.replies("Hello")
    assert [asyncio.run(ask_twice()), asyncio.run(ask_twice())] == [["Hello"] * 2] * 2
    gc.collect()  # an unclosed socket would be a ResourceWarning, and that an error
    assert len(service.connections) == 2


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_client_of_your_own_is_used_and_left_as_it_is(service, settings, library):
    with library.Client(headers={"x-mine": "1"}, timeout=3) as client:
        transport, before = Transport(settings(timeout=9).connection(), client=client), dict(client.headers)
        service.replies("Hello")
        service.streams({"response": "Hello"})
        assert transport.run(HI).text == "Hello"
        assert list(transport.stream(HI))[-1].reply.text == "Hello"
        assert (dict(client.headers), client.is_closed) == (before, False)
    assert {seen.headers["x-mine"] for seen in service.seen} == {"1"}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_an_asynchronous_client_of_your_own_is_used_and_left_as_it_is(service, settings, library):
    async with library.AsyncClient(headers={"x-mine": "1"}, timeout=3) as client:
        transport, before = Transport(settings(timeout=9).connection(), async_client=client), dict(client.headers)
        service.replies("Hello")
        service.streams({"response": "Hello"})
        assert (await transport.arun(HI)).text == "Hello"
        assert [delta async for delta in transport.astream(HI)][-1].reply.text == "Hello"
        assert (dict(client.headers), client.is_closed) == (before, False)
    assert {seen.headers["x-mine"] for seen in service.seen} == {"1"}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_failures_of_a_client_of_your_own_are_ours(service, settings, library):
    service.streams({"response": "Half"}, done=False, ending="cut")
    service.says(ending="reset")
    with library.Client() as client, contextlib.ExitStack() as stack:
        transport = Transport(settings(max_retries=0).connection(), client=client)
        stack.enter_context(pytest.raises(ConnectionFailedError))
        with pytest.raises(StreamInterruptedError):
            list(transport.stream(HI))
        transport.run(HI)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("reads", [True, False])
def test_a_client_of_your_own_may_raise_for_the_status(service, settings, library, reads):
    def check(response):
        if reads:
            response.read()
        response.raise_for_status()

    service.refuses(401, 10000, cf_ray="8f-ZRH")
    with library.Client(event_hooks={"response": [check]}) as client, pytest.raises(AuthenticationError) as caught:
        Transport(settings().connection(), client=client).run(HI)
    assert (caught.value.status, caught.value.ray_id, len(service.seen)) == (401, "8f-ZRH", 1)
    assert caught.value.code == (10000 if reads else None)


def test_a_server_error_is_raised_as_it_is_after_the_last_attempt(ask, service, transport):
    service.says(b"", status=502)
    with pytest.raises(ServiceError, match="no reason") as caught:
        ask(transport(max_retries=0), HI)
    assert caught.value.status == 502


ANSWER = b'{"result":{"response":"4"},"success":true,"errors":[],"messages":[]}'
PACKED = {"content-encoding": "gzip"}
IN_EITHER_FORM = pytest.mark.parametrize("headers", [{}, PACKED], ids=["plain", "packed"])


def asked_by_each(library, connection, **choices):
    """The texts that a client of the user's own gets in each caller."""

    async def apart():
        async with library.AsyncClient(**choices) as client:
            return (await Transport(connection, async_client=client).arun(HI)).text

    with library.Client(**choices) as client:
        return [Transport(connection, client).run(HI).text, asyncio.run(apart())]


@pytest.mark.parametrize("library", [httpx, httpx2])
@IN_EITHER_FORM
def test_a_client_that_answers_from_memory_is_read_like_any_other(library, transport, headers):
    content = gzip.compress(ANSWER) if headers else ANSWER
    memory = library.MockTransport(lambda _: library.Response(200, headers=headers, content=content))
    assert asked_by_each(library, transport().connection, transport=memory) == ["4", "4"]


@pytest.mark.parametrize("library", [httpx, httpx2])
@IN_EITHER_FORM
def test_a_client_may_have_read_the_answer_before(library, service, transport, headers):
    service.says(gzip.compress(ANSWER) if headers else ANSWER, headers=headers)
    with library.Client(event_hooks={"response": [lambda response: response.read()]}) as client:
        assert Transport(transport().connection, client).run(HI).text == "4"
