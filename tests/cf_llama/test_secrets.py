"""Token and account id: sent, and never shown."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback

import httpx
import pytest

from cf_llama import ChatRequest, Transport, WorkersAIError
from cf_llama.transport.chat_call import ChatCall

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
TOKEN = "made-up-token-of-no-account"
ACCOUNT = "0123456789abcdef0123456789abcdef"


def family(error):
    """An exception with all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("failure", ["refused", "reset", "cut", "no answer", "closed port"])
def test_no_error_shows_token_or_account_nor_holds_a_request(caller, service, transport, failure):
    text = f"Could not route to /client/v4/accounts/{ACCOUNT}/ai/run"
    match failure:
        case "refused":
            service.says({"success": False, "errors": [{"code": 7003, "message": text}]}, status=404)
        case "reset":
            service.says(ending="reset")
        case "cut":
            service.streams({"response": "a"}, done=False, ending="cut")
        case "no answer":
            service.says(b"<html></html>")
        case "closed port":
            service.shutdown()
            service.server_close()
    with pytest.raises(WorkersAIError) as caught:
        caller.stream(transport(max_retries=0), HI)
    for error in family(caught.value):
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        assert TOKEN not in shown
        assert ACCOUNT not in shown
        assert not isinstance(error, httpx.HTTPError)
    with pytest.raises(RuntimeError):
        _ = (caught.value.response or httpx.Response(200)).request


def test_no_log_shows_the_token_and_none_of_ours_the_account(ask, service, transport, caplog):
    with caplog.at_level(logging.DEBUG):
        service.refuses(429, 3040)
        service.says(b"data: nonsense\n\ndata: [DONE]\n\n", headers={"content-type": "text/event-stream"})
        ask(transport(), HI)
    assert caplog.records
    assert TOKEN not in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("cf_llama")]
    assert ours
    assert not any(ACCOUNT in message for message in ours)


def test_nothing_that_is_made_for_a_call_shows_them(settings):
    made = settings()
    connection = made.connection()
    with httpx.Client() as client:
        request = ChatCall(connection, HI, stream=False).http_request(client)
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert TOKEN not in repr(request.headers)
    for thing in (made, connection, Transport(connection), ChatCall(connection, HI, stream=False), HI):
        assert TOKEN not in repr(thing)
        assert ACCOUNT not in repr(thing)


def test_a_token_in_the_wrong_place_is_not_repeated(settings):
    for field in ("account_id", "base_url", "model", "default_headers", "timeout", "temperature"):
        with pytest.raises(ValueError, match=field) as caught:
            settings(**{field: TOKEN})
        assert TOKEN not in str(caught.value)


GATEWAY_TOKEN = "made-up-token-of-no-gateway"
REPEATED = f"bad token {TOKEN} of {ACCOUNT}, nor is {GATEWAY_TOKEN} any"


def shown_of(error):
    """All that is printed, logged or stored of an exception and of what led to it."""
    for one in family(error):
        yield "".join(traceback.TracebackException.from_exception(one, capture_locals=True).format())
        yield repr(one) + repr(vars(one)) + pickle.dumps(one, 0).decode("latin1")
        if response := getattr(one, "response", None):
            yield response.text + repr(dict(response.headers))


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, {"success": False, "errors": [{"code": 10000, "message": REPEATED}]}),
        (502, f"<html><title>{REPEATED}</title></html>".encode()),
        (200, REPEATED.encode()),
        (200, b'data: {"response":"a"}\n\ndata: {"error":"%b"}\n\n' % REPEATED.encode()),
    ],
    ids=["refusal", "page", "no answer", "stream"],
)
def test_what_a_server_repeats_is_not_shown(ask, service, transport, status, answer):
    service.says(answer, status=status, headers={"cf-ray": TOKEN, "x-asked": f"/accounts/{ACCOUNT}/"})
    connection = {"max_retries": 0, "default_headers": {"cf-aig-authorization": f"Bearer {GATEWAY_TOKEN}"}}
    with pytest.raises(WorkersAIError, match=r"\*\*\*") as caught:
        ask(transport(**connection), HI)
    caught.value.__traceback__ = None  # this test's own variables hold what it looks for
    for shown in shown_of(caught.value):
        assert not [secret for secret in (TOKEN, ACCOUNT, GATEWAY_TOKEN) if secret in shown], shown


def test_what_a_server_repeats_beside_an_answer_is_not_shown(ask, service, transport):
    service.says({"response": "Hi"}, headers={"cf-ray": TOKEN, "cf-aig-log-id": ACCOUNT})
    reply = ask(transport(), HI)
    assert (reply.response_metadata.ray_id, reply.response_metadata.gateway_log_id) == ("***", "***")


@pytest.mark.parametrize("written", [str.upper, str.title], ids=["upper", "title"])
def test_secrets_in_another_letter_case_are_not_shown(ask, service, transport, written):
    text = written(f"/workers-ai/{ACCOUNT}/, {TOKEN}")
    service.says(f"<title>{text}</title>".encode(), status=502, headers={TOKEN: "1", f"x-{ACCOUNT.upper()}": text})
    with pytest.raises(WorkersAIError, match=r"\*\*\*") as caught:
        ask(transport(max_retries=0), HI)
    caught.value.__traceback__ = None  # this test's own variables hold what it looks for
    for shown in shown_of(caught.value):
        assert not [secret for secret in (TOKEN, ACCOUNT) if secret in shown.lower()], shown
    assert {"***", "x-***"} <= caught.value.response.headers.keys()


def test_a_header_whose_name_a_server_takes_from_the_token_is_not_shown(ask, service, transport):
    service.says({"response": "Hi"}, headers={TOKEN: "1"})
    assert "***" in ask(transport(), HI).response_metadata.headers


def test_a_short_token_is_no_part_of_other_words(ask, service, transport):
    service.refuses(401, 10000)
    with pytest.raises(WorkersAIError, match="no"):
        ask(transport(api_token="n", max_retries=0), HI)


async def test_the_variables_of_a_cancelled_call_do_not_show_them(service, transport):
    service.says(ending="hang")
    call = asyncio.create_task(transport().arun(HI))
    assert await asyncio.to_thread(service.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    for shown in shown_of(caught.value):
        assert TOKEN not in shown
        assert ACCOUNT not in shown


def test_nor_do_those_of_an_interrupted_one(service, transport, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cf_llama.transport.http.sockets.Socket.receive", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        transport().run(HI)
    for shown in shown_of(caught.value):
        assert TOKEN not in shown
        assert ACCOUNT not in shown
