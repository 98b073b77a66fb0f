"""From what the service says to an error: the codes, the bodies, and what is neither."""

from __future__ import annotations

import json
import pickle
import time

import httpx
import pytest

from cf_llama import (
    AuthenticationError,
    BadResponseError,
    CapacityError,
    ContextOverflowError,
    InvalidRequestError,
    JSONModeError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    WorkersAIError,
)
from cf_llama.protocol.error_responses import CODES, error_from, is_error, retry_after

# code: (status, class, retryable), after Cloudflare's pages of errors and recorded answers
TABLE = {
    3003: (400, InvalidRequestError, False),
    3006: (413, InvalidRequestError, False),
    3007: (408, RequestTimeoutError, True),
    3008: (408, RequestTimeoutError, True),
    3010: (429, CapacityError, True),
    3021: (429, RateLimitError, True),
    3023: (403, PermissionDeniedError, False),
    3030: (400, InvalidRequestError, False),
    3036: (429, QuotaExceededError, False),
    4006: (429, QuotaExceededError, False),
    3039: (400, InvalidRequestError, False),
    3040: (429, CapacityError, True),
    3041: (403, PermissionDeniedError, False),
    3042: (404, NotFoundError, False),
    3043: (500, ServiceError, True),
    3046: (408, RequestTimeoutError, True),
    3050: (503, ServiceError, True),
    5001: (500, ServiceError, True),
    5004: (400, InvalidRequestError, False),
    5005: (405, InvalidRequestError, False),
    5006: (400, InvalidRequestError, False),
    5007: (400, NotFoundError, False),
    5012: (422, InvalidRequestError, False),
    5016: (403, PermissionDeniedError, False),
    5018: (403, PermissionDeniedError, False),
    5019: (405, InvalidRequestError, False),
    5021: (413, ContextOverflowError, False),
    5023: (400, InvalidRequestError, False),
    5024: (400, JSONModeError, True),
    5025: (400, InvalidRequestError, False),
    5028: (410, NotFoundError, False),
    5034: (403, PermissionDeniedError, False),
    5035: (403, PermissionDeniedError, False),
    7009: (502, ServiceError, True),
    8001: (400, InvalidRequestError, False),
    8004: (500, ServiceError, True),
    8005: (500, ServiceError, True),
    8006: (400, InvalidRequestError, False),
    8007: (400, InvalidRequestError, False),
    8008: (500, ServiceError, True),
    1000: (401, AuthenticationError, False),
    1010: (403, PermissionDeniedError, False),
    1015: (429, RateLimitError, True),
    1031: (403, PermissionDeniedError, False),
    7000: (400, NotFoundError, False),
    7001: (405, InvalidRequestError, False),
    7003: (404, NotFoundError, False),
    9106: (400, AuthenticationError, False),
    9109: (403, PermissionDeniedError, False),
    10000: (401, AuthenticationError, False),
    2001: (400, NotFoundError, False),
    2003: (429, RateLimitError, True),
    2005: (400, ServiceError, True),
    2009: (401, AuthenticationError, False),
    2014: (504, RequestTimeoutError, True),
    2016: (400, InvalidRequestError, False),
    2017: (400, InvalidRequestError, False),
    2021: (402, PermissionDeniedError, False),
    2040: (400, InvalidRequestError, False),
    2041: (429, QuotaExceededError, False),
    2045: (429, QuotaExceededError, False),
}


def refused(status, body=b"", headers=()):
    return error_from(status, httpx.Headers(headers), body)


def envelope(code, text="AiError: AiError: no (6d2f0f5e-3c0e-4b7e-9a77-0c6a1f4b2d10)"):
    return b'{"errors":[{"message":"%b","code":%d}],"success":false,"result":{},"messages":[]}' % (text.encode(), code)


@pytest.mark.parametrize("code", TABLE)
def test_every_code_has_its_class(code):
    status, kind, retryable = TABLE[code]
    error = refused(status, envelope(code), {"cf-ray": "8f-ZRH", "cf-ai-req-id": "r1"})
    assert (type(error), error.is_retryable, error.code, error.status) == (kind, retryable, code, status)
    assert (error.message, error.ray_id, error.request_id) == ("no", "8f-ZRH", "r1")


def test_the_table_is_complete():
    assert CODES.keys() | {3030, 10000} == TABLE.keys()


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "retryable"),
    [
        (403, 10000, "Authentication error", PermissionDeniedError, False),
        (400, 3030, "Internal Server Error", ServiceError, True),
        (429, 99999, "you have used up your daily free allocation of 10,000 neurons", QuotaExceededError, False),
        (400, 8007, "This model does not support request queuing", NotFoundError, False),
        (418, 99999, "new", InvalidRequestError, False),
        (503, 99999, "new", ServiceError, True),
        (200, 99999, "new", ServiceError, False),
    ],
)
def test_status_and_text_decide_where_the_code_does_not(status, code, text, kind, retryable):
    error = refused(status, envelope(code, text))
    assert (type(error), error.is_retryable, error.code, error.message) == (kind, retryable, code, text)


@pytest.mark.parametrize(("status", "code", "kind"), [(400, 3030, ServiceError), (401, 10000, AuthenticationError)])
def test_a_code_that_means_several_things_is_found_in_the_text(status, code, kind):
    error = refused(status, b'{"errors":["%d: Internal Server Error"]}' % code)
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (301, ServiceError, False),
        (400, InvalidRequestError, False),
        (401, AuthenticationError, False),
        (403, PermissionDeniedError, False),
        (404, NotFoundError, False),
        (408, RequestTimeoutError, True),
        (409, ServiceError, True),
        (413, InvalidRequestError, False),
        (429, RateLimitError, True),
        *((status, ServiceError, True) for status in (500, 502, 503, *range(520, 528), 530)),
        (504, RequestTimeoutError, True),
    ],
)
def test_every_status_has_a_class(status, kind, retryable):
    error = refused(status)
    assert (type(error), error.is_retryable, error.message) == (kind, retryable, "the service gave no reason")


FILES = {
    "error-quota.429.json": (QuotaExceededError, 4006, "you have used up your daily free allocation of 10,000 neurons"),
    "error-authentication.401.json": (AuthenticationError, 10000, "Authentication error"),
    "error-binding.429.json": (RateLimitError, 3021, "rate limiting: inference request per min rate reached"),
    "error-gateway.429.json": (RateLimitError, 2003, "Rate limited"),
    "error-openai.404.json": (NotFoundError, 5007, "No such model @cf/meta/llama-9 or task"),
    "error-upstream.400.json": (InvalidRequestError, 400, "tool arguments are not valid JSON"),
    "error-embedded.400.json": (InvalidRequestError, 8007, '{"object":"error","message":"invalid tool_choice"'),
    "error-run.400.json": (NotFoundError, 7003, "Model not found"),
    "error-code-in-text.429.json": (CapacityError, 3040, "3040: Capacity temporarily exceeded, please try again."),
    "error-edge.522.html": (ServiceError, None, "api.cloudflare.com | 522: Connection timed out"),
    "error-edge.429.txt": (RateLimitError, None, "error code: 1015"),
    "error-empty.502.txt": (ServiceError, None, "the service gave no reason"),
    "error-context.413.json": (ContextOverflowError, 5021, "The estimated number of input and maximum output tokens"),
    "error-under-success.200.json": (ServiceError, 3043, "Internal server error"),
}


@pytest.mark.parametrize("name", FILES)
def test_reads_every_recorded_body(name, recorded):
    error = refused(int(name.split(".")[1]), (recorded / name).read_bytes())
    kind, code, text = FILES[name]
    assert (type(error), error.code) == (kind, code)
    assert error.message.startswith(text)
    assert "AiError" not in error.message


def test_every_recorded_refusal_is_read(recorded):
    assert {path.name for path in recorded.glob("error-*")} == FILES.keys()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"text"',
        b'{"errors":"text"}',
        b'{"errors":[null,"x"]}',
        b'{"error":[]}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_no_body_breaks_the_reader(body):
    assert isinstance(refused(500, body), ServiceError)


def test_a_long_page_is_cut():
    assert len(refused(500, b"x " * 100_000).message) <= 2000


@pytest.mark.parametrize("before", [b"token: ", b" " * 7000, b"<title>"], ids=["text", "blanks", "title"])
def test_no_part_of_a_token_is_left_where_a_long_page_is_cut(before):
    token = "made-up-token-of-no-account"
    for length in range(900, 1010):
        message = refused(500, before + b"x " * length + token.encode() + b" x" * 9000).message
        assert message.count("made") == message.count(token)


def test_a_page_that_fits_has_its_last_word():
    assert refused(522, b"<title>Connection timed out</title>" + b"x" * 9000).message == "Connection timed out"


def test_bytes_in_an_encoding_that_nobody_asked_for_are_not_shown():
    assert refused(503, b"\x1b[31m\x0b", {"content-encoding": "br"}).message == (
        "6 bytes that are no text (content-encoding: br)"
    )


def test_an_account_id_in_the_text_is_not_repeated():
    account = "0123456789abcdef0123456789abcdef"
    text = f"Could not route to /client/v4/accounts/{account}/ai/run, perhaps your object identifier is invalid?"
    error = refused(404, envelope(7003, text))
    assert account not in str(error)
    assert "perhaps your object identifier is invalid?" in str(error)


def test_the_answer_is_at_hand_and_can_be_read_again():
    error = refused(429, b'{"success":false}', {"content-encoding": "gzip", "cf-ray": "8f"})
    assert (error.response.status_code, error.response.json()) == (429, {"success": False})
    assert error.response.headers["cf-ray"] == "8f"


@pytest.mark.parametrize("value", [b"\xe9", "é 日本".encode()])
def test_headers_of_any_bytes_are_kept(value):
    headers = dict(httpx.Headers([(b"x-server", value)]).items())
    assert error_from(429, headers, b"").response.headers["x-server"] == headers["x-server"]


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(refused(429, envelope(3040), {"cf-ray": "8f", "retry-after": "7"})))
    assert (type(error), error.message, error.code, error.ray_id) == (CapacityError, "no", 3040, "8f")
    assert (error.status, error.retry_after, error.is_retryable) == (429, 7.0, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
    ],
)
def test_reads_how_long_to_wait(headers, seconds):
    assert retry_after(httpx.Headers(headers)) == seconds


@pytest.fixture
def far_from_greenwich(monkeypatch):
    """A machine whose clock shows another hour; Windows has no such setting."""
    if hasattr(time, "tzset"):
        monkeypatch.setenv("TZ", "EST5")
        time.tzset()
    yield
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S -0000", "%a %b %d %H:%M:%S %Y"])
def test_reads_until_when_to_wait(form, far_from_greenwich):
    headers = httpx.Headers({"retry-after": time.strftime(form, time.gmtime(time.time() + 30))})
    assert retry_after(headers) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        ({"success": False}, True),
        ({"errors": [{"code": 1}]}, True),
        ({"error": "x"}, True),
        ({"name": "AiError"}, True),
        ({"internalCode": 3021}, True),
        ({"object": "error"}, True),
        ({"state": "Failed"}, True),
        ({"success": True, "errors": [], "result": {"response": "x"}}, False),
        ({"response": "x", "error": None}, False),
        ({"object": "chat.completion"}, False),
        ([], False),
        (None, False),
    ],
)
def test_tells_a_refusal_from_an_answer(payload, refusal):
    assert is_error(payload) is refusal


def test_an_unreadable_answer_is_told_from_a_refusal():
    assert issubclass(BadResponseError, WorkersAIError)
    assert not BadResponseError.retryable


@pytest.mark.parametrize(("seconds", "told"), [("60", False), ("3600", True)])
def test_a_wait_beyond_a_minute_is_told_in_place_of_advice_to_retry(seconds, told):
    error = refused(429, envelope(3021), {"retry-after": seconds})
    assert ("the service asks to wait 3,600 seconds, until 20" in str(error)) is told
    assert ("max_retries" in str(error)) is not told
    assert error.retry_after == int(seconds)


def test_a_gateway_that_wants_a_token_of_its_own_says_where_to_put_it():
    assert "cf-aig-authorization" in str(refused(401, envelope(2009)))


def test_the_edge_tells_code_and_wait_in_a_form_of_its_own():
    body = {"title": "Error 1015: You are being rate limited", "status": 429, "cloudflare_error": True}
    told = body | {"error_code": 1015, "detail": "Slow down.", "retry_after": 30}
    error = error_from(429, {}, json.dumps(told).encode())
    assert (type(error), error.code, error.message, error.retry_after) == (RateLimitError, 1015, "Slow down.", 30)
    assert error_from(429, {"retry-after": "5"}, json.dumps(told).encode()).retry_after == 5
    assert error_from(429, {}, json.dumps(body | {"retry_after": "soon"}).encode()).retry_after is None
