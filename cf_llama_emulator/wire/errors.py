"""Errors of the service: one exception, and the two forms of its body.

The AI service answers with `"result": {}` and a request id at the end of its text; the API front (routing and
authentication) answers with `"result": null`. Codes, statuses and texts follow Cloudflare's "Workers AI errors" page
and recorded answers.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Self

EMULATOR_CODE = 99_999
"""No code of the service: the emulator's own complaints, e.g. a script without a turn left. Never worth a retry."""


class ServiceError(Exception):
    """A refusal by the AI service, as an error body with this HTTP status and code.

    Engines raise it too, before their first piece or in the middle of an answer.
    """

    form = ""
    """The name of another form for its body, out of `faults.forms`; empty is its own."""

    def __init__(self, status: int, code: int, text: str) -> None:
        """Store the HTTP `status`, the service's `code` and its `text`, without prefixes and request id."""
        super().__init__(status, code, text)
        self.status = status
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    def with_changes(self, **values: Any) -> Self:
        """Return it with another `status`, `code`, `text` or `form`."""
        changed = copy(self)
        vars(changed).update(values)
        return changed

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body; `request_id` is what `cf-ai-req-id` says as well."""
        message = f"AiError: AiError: {self.text} ({request_id})"
        return {"errors": [{"message": message, "code": self.code}], "success": False, "result": {}, "messages": []}


class FrontError(ServiceError):
    """A refusal by the API front, before the AI service has seen the request."""

    def body(self, _: str) -> dict[str, Any]:
        """Return the JSON body; the front names no request."""
        return {"result": None, "success": False, "errors": [self.entry], "messages": []}

    @property
    def entry(self) -> dict[str, Any]:
        """The one entry of `errors`."""
        return {"code": self.code, "message": self.text}


def no_account(path: str) -> FrontError:
    """Return the refusal of a path with a malformed account id: the front finds no route."""
    return FrontError(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")


def no_route() -> FrontError:
    """Return the refusal of an unknown path."""
    return FrontError(400, 7000, "No route for that URI")


def wrong_method(method: str) -> FrontError:
    """Return the refusal of a method that the path does not know."""
    return FrontError(405, 7001, f"{method} not supported for requested URI.")


def bad_input(detail: str) -> ServiceError:
    """Return 400/5006, the answer to a body that fails the model's schema."""
    return ServiceError(400, 5006, f"Bad input: Error: {detail}")


def invalid_input(detail: str) -> ServiceError:
    """Return 400/8001, the answer to tools and tool choices that the model's backend refuses."""
    return ServiceError(400, 8001, f"Invalid input: {detail}")


def emulator_error(detail: str) -> ServiceError:
    """Return a refusal that is the emulator's own and means nothing on the service."""
    return ServiceError(400, EMULATOR_CODE, f"cf_llama_emulator: {detail}")
