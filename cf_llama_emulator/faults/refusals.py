"""Refusals on demand: any code, in any of the bodies that refusals are known to come in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from cf_llama_emulator.errors import FrontError, ServiceError
from cf_llama_emulator.faults.codes import AI_SERVICE, API_FRONT, GATEWAY
from cf_llama_emulator.faults.kinds import Fault, OnError, OnHeaders, Refusing
from cf_llama_emulator.faults.values import Number, OneOf, Pattern

Body = tuple[bytes, str]
"""A refusal's bytes and their content type."""


class ShapedError(ServiceError):
    """A refusal in a body of another form."""

    def __init__(self, status: int, code: int, text: str, form: str) -> None:
        """Store what a `ServiceError` holds, and the name of a form out of `FORMS`."""
        super().__init__(status, code, text)
        self.form = form


def written(error: ServiceError, request_id: str) -> Body:
    """Return an error's body in the form it is to have."""
    if isinstance(error, ShapedError):
        return FORMS[error.form](error, request_id)
    return _json(error.body(request_id))


def error_of(code: int) -> ServiceError:
    """Return the refusal with one of the known codes.

    Raises:
        KeyError: the code is not among them.
    """
    status, text = (AI_SERVICE | GATEWAY | API_FRONT)[code]
    return (FrontError if code in API_FRONT else ServiceError)(status, code, text)


def _json(body: Any) -> Body:
    return json.dumps(body, ensure_ascii=False).encode(), "application/json"


def _envelope(error: ServiceError, request_id: str) -> Body:
    return _json(ServiceError(error.status, error.code, error.text).body(request_id))


def _binding(error: ServiceError, request_id: str) -> Body:
    text = f"AiError: {error.text} ({request_id})"
    return _json(binding_error(error) | {"message": text, "requestId": request_id})


def binding_error(error: ServiceError) -> dict[str, Any]:
    """Return the form that has no envelope, as events of a broken stream have it too."""
    return {
        "name": "AiError",
        "internalCode": error.code,
        "httpCode": error.status,
        "message": error.text,
        "description": error.text,
    }


def _gateway(error: ServiceError, request_id: str) -> Body:
    del request_id
    entry = {"code": error.code, "message": error.text}
    shell = {"success": False, "result": [], "messages": [], "error": [entry]}
    return _json(shell | binding_error(error) | {"name": "AiGatewayError"})


def _openai(error: ServiceError, request_id: str) -> Body:
    del request_id
    return _json({"error": {"message": error.text, "type": "invalid_request_error", "code": error.code}})


def upstream_error(error: ServiceError) -> dict[str, Any]:
    """Return the form of the server behind the service, which knows no code but the HTTP status."""
    kind = "BadRequestError"
    return {"object": "error", "message": error.text, "type": kind, "param": None, "code": error.status}


def _upstream(error: ServiceError, request_id: str) -> Body:
    del request_id
    return _json(upstream_error(error))


def _embedded(error: ServiceError, request_id: str) -> Body:
    return _envelope(ServiceError(error.status, error.code, json.dumps(upstream_error(error))), request_id)


def _run(error: ServiceError, request_id: str) -> Body:
    del request_id
    return _json({"state": "Failed", "error": {"code": error.code, "message": error.text}, "model": ""})


def _string_code(error: ServiceError, request_id: str) -> Body:
    body = error.body(request_id)
    return _json(body | {"errors": [{"message": error.text, "code": str(error.code)}]})


def _code_in_text(error: ServiceError, request_id: str) -> Body:
    del request_id
    return _json({"success": False, "errors": [{"message": f"{error.code}: {error.text}"}]})


def _text(error: ServiceError, request_id: str) -> Body:
    del request_id
    return f"error code: {error.code or error.status}".encode(), "text/plain; charset=UTF-8"


def _html(error: ServiceError, request_id: str) -> Body:
    del request_id
    title = f"api.cloudflare.com | {error.status}: {error.text}"
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
    return page.encode(), "text/html; charset=UTF-8"


def _empty(error: ServiceError, request_id: str) -> Body:
    del error, request_id
    return b"", "text/plain"


FORMS: Mapping[str, Callable[[ServiceError, str], Body]] = {
    "envelope": _envelope,
    "binding": _binding,
    "gateway": _gateway,
    "openai": _openai,
    "upstream": _upstream,
    "embedded": _embedded,
    "run": _run,
    "string-code": _string_code,
    "code-in-text": _code_in_text,
    "text": _text,
    "html": _html,
    "empty": _empty,
}
"""By name: the bodies in which the same failure is known to come."""


def _any_code(status: float) -> ServiceError:
    code = int(status)
    return error_of(code) if code in AI_SERVICE | GATEWAY | API_FRONT else ServiceError(400, code, "Something new")


def _page(status: float) -> ServiceError:
    names = {status.value: status.phrase for status in HTTPStatus}
    return ShapedError(int(status), 0, names.get(int(status), "Web server is returning an unknown error"), "html")


def _with_form(error: ServiceError, form: str) -> ServiceError:
    return ShapedError(error.status, error.code, error.text, form)


def _with_status(error: ServiceError, status: float) -> ServiceError:
    if isinstance(error, ShapedError):
        return ShapedError(int(status), error.code, error.text, error.form)
    return type(error)(int(status), error.code, error.text)


def _retry_after(wish: Any) -> dict[str, str]:
    return {"retry-after-ms" if wish["unit"] else "retry-after": wish["amount"]}


ERRORS_PAGE, RECORDED, REPORTED = "Cloudflare docs: Workers AI errors", "recorded answers", "reports of users"
GATEWAY_PAGE, EDGE_PAGE = "Cloudflare docs: AI Gateway", "Cloudflare docs: 5xx and 1xxx errors"

REFUSALS: tuple[Fault, ...] = (
    Refusing(
        "error",
        "refuses with this code, its usual status and text; unknown ones are 400",
        ERRORS_PAGE,
        Number("CODE", 3043, 1, 99_999, whole=True),
        error=_any_code,
    ),
    Refusing(
        "rate-limited",
        "refuses as after too many requests in a minute (3021)",
        RECORDED,
        error=lambda _: error_of(3021),
    ),
    Refusing(
        "quota-spent",
        "refuses as after the day's free allocation: documented as 3036, seen as 4006",
        f"{ERRORS_PAGE}; {RECORDED}",
        OneOf(("4006", "3036")),
        error=lambda code: error_of(int(code)),
    ),
    Refusing("capacity", "refuses for lack of capacity (3040)", ERRORS_PAGE, error=lambda _: error_of(3040)),
    Refusing("context-overflow", "refuses input that is too long (5021)", RECORDED, error=lambda _: error_of(5021)),
    Refusing(
        "guardrails",
        "blocks the prompt (2016) or the answer (2017)",
        GATEWAY_PAGE,
        OneOf(("prompt", "answer")),
        error=lambda what: error_of(2016 if what == "prompt" else 2017),
    ),
    Refusing(
        "page",
        "answers an HTML error page with this status",
        EDGE_PAGE,
        Number("STATUS", 522, 400, 599, whole=True),
        error=_page,
    ),
    Refusing(
        "edge-limited",
        "refuses as the edge does, with a line of text (1015)",
        EDGE_PAGE,
        error=lambda _: ShapedError(429, 1015, "You are being rate limited", "text"),
    ),
    OnError(
        "form", "writes refusals in this form", f"{RECORDED} and {REPORTED}", OneOf(tuple(FORMS)), change=_with_form
    ),
    OnError(
        "status",
        "sends refusals with this status, success: false under 200 unless told otherwise",
        RECORDED,
        Number("STATUS", 200, 200, 599, whole=True),
        change=_with_status,
    ),
    OnHeaders(
        "retry-after",
        "asks to wait that long, in seconds or milliseconds; the AI service's own refusals do not",
        EDGE_PAGE,
        Pattern("SECONDS or MILLISECONDSms", "30", r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>ms)?"),
        headers=_retry_after,
    ),
)
