"""Every body that refusals are known to come in."""

import pytest

from cf_llama_emulator.faults.error_formats import FORMS, error_body
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import ask_user

ASK = ask_user("Hello")
BUSY = (429, 3040, "Capacity temporarily exceeded, please try again.")


@pytest.fixture(scope="module")
def refused(rules):
    """Return a function that is refused by these faults."""
    return lambda faults, **body: rules.run(ASK | body, x_emulator_faults=faults)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (
            "envelope",
            {
                "errors": [{"message": f"AiError: AiError: {BUSY[2]} (id)", "code": 3040}],
                "success": False,
                "result": {},
                "messages": [],
            },
        ),
        (
            "binding",
            {
                "name": "AiError",
                "internalCode": 3040,
                "httpCode": 429,
                "message": f"AiError: {BUSY[2]} (id)",
                "description": BUSY[2],
                "requestId": "id",
            },
        ),
        (
            "gateway",
            {
                "success": False,
                "result": [],
                "messages": [],
                "error": [{"code": 3040, "message": BUSY[2]}],
                "name": "AiGatewayError",
                "httpCode": 429,
                "internalCode": 3040,
                "message": BUSY[2],
                "description": BUSY[2],
            },
        ),
        ("openai", {"error": {"message": BUSY[2], "type": "invalid_request_error", "code": 3040}}),
        (
            "upstream",
            {"object": "error", "message": BUSY[2], "type": "BadRequestError", "param": None, "code": 429},
        ),
        ("run", {"state": "Failed", "error": {"code": 3040, "message": BUSY[2]}, "model": ""}),
        ("code-in-text", {"success": False, "errors": [{"message": f"3040: {BUSY[2]}"}]}),
    ],
)
def test_forms_of_json(refused, form, body):
    answer = refused(f"capacity, form={form}")
    assert answer.status_code == 429
    assert answer.json() == _with_id(body, answer.headers["cf-ai-req-id"])
    assert answer.headers["content-type"] == "application/json"


def _with_id(value, request_id):
    if isinstance(value, dict):
        return {key: _with_id(item, request_id) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_id(item, request_id) for item in value]
    return (
        value.replace("(id)", f"({request_id})")
        if value != "id" and isinstance(value, str)
        else (request_id if value == "id" else value)
    )


def test_a_code_can_be_a_string_and_an_error_can_hold_another(refused):
    assert refused("capacity, form=string-code").json()["errors"] == [{"message": BUSY[2], "code": "3040"}]
    assert '{\\"object\\": \\"error\\"' in refused("error=8007, form=embedded").text


@pytest.mark.parametrize(
    ("faults", "status", "kind", "text"),
    [
        ("page", 522, "text/html", "<title>api.cloudflare.com | 522: "),
        ("page=502", 502, "text/html", "<title>api.cloudflare.com | 502: Bad Gateway</title>"),
        ("edge-limited", 429, "text/plain", "error code: 1015"),
        ("error=3043, form=text", 500, "text/plain", "error code: 3043"),
        ("error=3043, form=html", 500, "text/html", "500: Internal server error"),
        ("error=3043, form=empty", 500, "text/plain", ""),
        ("edge-limited, form=problem", 429, "application/problem+json", '"error_code": 1015'),
        ("edge-limited, form=markdown", 429, "text/markdown", "# Error 1015: You are being rate limited"),
    ],
)
def test_forms_that_are_no_json(refused, faults, status, kind, text):
    answer = refused(faults)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, kind)
    assert text in answer.text
    assert answer.text or not text


def test_every_form_writes_bytes_and_their_type():
    for form in FORMS:
        content, kind = FORMS[form](ServiceError(*BUSY), "id")
        assert isinstance(content, bytes)
        assert "/" in kind
    assert error_body(ServiceError(*BUSY), "id") == FORMS["envelope"](ServiceError(*BUSY), "id")


@pytest.mark.parametrize("form", ["", *FORMS])
def test_half_a_character_in_what_is_quoted_does_not_break_a_form(form):
    content, _ = error_body(ServiceError(400, 5007, "No such model \ud800 or task").with_changes(form=form), "id")
    assert content == b"" or b"ud800" in content or b"5007" in content or b"400" in content
    content.decode()
