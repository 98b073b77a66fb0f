"""Token and account id: sent, and never shown."""

from __future__ import annotations

import logging
import traceback

import httpx
import pytest

from cf_llama import ChatRequest, Transport, WorkersAIError
from cf_llama.call import Call

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
TOKEN = "made-up-token-of-no-account"
ACCOUNT = "0123456789abcdef0123456789abcdef"


def family(error):
    """An exception with all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("failure", ["refused", "reset", "cut", "no answer", "closed port"])
def test_no_error_shows_token_or_account_nor_holds_a_request(colour, service, transport, failure):
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
        colour.stream(transport(max_retries=0), HI)
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
        request = Call(connection, HI, stream=False).http_request(client)
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert TOKEN not in repr(request.headers)
    for thing in (made, connection, Transport(connection), Call(connection, HI, stream=False), HI):
        assert TOKEN not in repr(thing)
        assert ACCOUNT not in repr(thing)


def test_a_token_in_the_wrong_place_is_not_repeated(settings):
    for field in ("account_id", "base_url", "model", "default_headers", "timeout", "temperature"):
        with pytest.raises(ValueError, match=field) as caught:
            settings(**{field: TOKEN})
        assert TOKEN not in str(caught.value)
