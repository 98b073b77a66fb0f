"""The bodies in which the same refusal is known to come."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cf_llama_emulator.wire.errors import ServiceError

Body = tuple[bytes, str]
"""A refusal's bytes and their content type."""

EDGE_WAIT = 30
"""Seconds that the edge asks to wait after too many requests."""


def error_body(error: ServiceError, request_id: str) -> Body:
    """Return an error's body in the form it is to have."""
    return FORMS[error.form](error, request_id) if error.form else _json(error.body(request_id))


def _json(body: Any, kind: str = "application/json") -> Body:
    return _encoded(json.dumps(body, ensure_ascii=False)), kind


def _encoded(text: str) -> bytes:
    """Encode text that quotes a request, where half a character may stand alone: in JSON it becomes its escape."""
    return text.encode("utf-8", "backslashreplace")


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


def _gateway(error: ServiceError, _: str) -> Body:
    entry = {"code": error.code, "message": error.text}
    shell = {"success": False, "result": [], "messages": [], "error": [entry]}
    return _json(shell | binding_error(error) | {"name": "AiGatewayError"})


def _openai(error: ServiceError, _: str) -> Body:
    return _json({"error": {"message": error.text, "type": "invalid_request_error", "code": error.code}})


def upstream_error(error: ServiceError) -> dict[str, Any]:
    """Return the form of the server behind the service, which knows no code but the HTTP status."""
    kind = "BadRequestError"
    return {"object": "error", "message": error.text, "type": kind, "param": None, "code": error.status}


def _upstream(error: ServiceError, _: str) -> Body:
    return _json(upstream_error(error))


def _embedded(error: ServiceError, request_id: str) -> Body:
    return _envelope(ServiceError(error.status, error.code, json.dumps(upstream_error(error))), request_id)


def _run(error: ServiceError, _: str) -> Body:
    return _json({"state": "Failed", "error": {"code": error.code, "message": error.text}, "model": ""})


def _string_code(error: ServiceError, request_id: str) -> Body:
    body = error.body(request_id)
    return _json(body | {"errors": [{"message": error.text, "code": str(error.code)}]})


def _code_in_text(error: ServiceError, _: str) -> Body:
    return _json({"success": False, "errors": [{"message": f"{error.code}: {error.text}"}]})


def _problem(error: ServiceError, request_id: str) -> Body:
    """Return what the edge answers to those who accept JSON: RFC 9457, with further members."""
    own = {"cloudflare_error": True, "error_code": error.code, "ray_id": request_id, "retry_after": EDGE_WAIT}
    standard = {"title": f"Error {error.code}: {error.text}", "status": error.status, "detail": error.text}
    return _json(standard | own, "application/problem+json")


def _markdown(error: ServiceError, request_id: str) -> Body:
    page = f"# Error {error.code}: {error.text}\n\n- status: {error.status}\n- ray_id: {request_id}\n"
    return _encoded(page), "text/markdown; charset=utf-8"


def _text(error: ServiceError, _: str) -> Body:
    return f"error code: {error.code or error.status}".encode(), "text/plain; charset=UTF-8"


def _html(error: ServiceError, _: str) -> Body:
    title = f"api.cloudflare.com | {error.status}: {error.text}"
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
    return _encoded(page), "text/html; charset=UTF-8"


def _empty(_: ServiceError, __: str) -> Body:
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
    "problem": _problem,
    "markdown": _markdown,
    "text": _text,
    "html": _html,
    "empty": _empty,
}
"""By name: the bodies in which the same failure is known to come."""
