"""All errors of a call, as one tree.

WorkersAIError
├── InvalidRequestError        the request cannot be right as it is
│   ├── ContextOverflowError   input and `max_tokens` together exceed the context window
│   └── MissingCredentialsError  no account or no token was given or found
├── AuthenticationError        the token is wrong
├── PermissionDeniedError      the token is right, but not for this
├── NotFoundError              no such account, model or gateway, or the model has no queue
├── RateLimitError             too many requests: wait
│   ├── CapacityError          the service is out of capacity: wait longer
│   └── QuotaExceededError     the day's free allocation or a spend limit is used up: waiting seconds is of no use
├── ServiceError               the service failed
│   ├── BadResponseError       the answer cannot be read
│   ├── StreamInterruptedError the stream broke off; the text so far is on the exception
│   ├── JSONModeError          the model could not meet the JSON schema
│   ├── ToolChoiceError        a forced tool call did not come
│   └── SubmissionInDoubtError a batch was sent, and what became of it is not known
├── BudgetExceededError        the call may cost more than is left of a budget
├── JournalError               the file of a batch job cannot be read or written
├── ConnectionFailedError      no connection, or it broke
└── RequestTimeoutError        nothing came in time

None derives from ValueError, RuntimeError or OSError: retry policies of agent frameworks take those for bugs in the
caller's code. Each error pickles, and none holds a request, so none can hold a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from cf_llama.protocol.reply import Reply

if TYPE_CHECKING:
    import httpx


LONGEST_RETRY_AFTER = 60.0
"""Seconds. A longer Retry-After raises an error that says when to retry."""

_ADVICE: Mapping[int, str] = {
    2001: "Check the gateway's id, or create the gateway in the dashboard under AI > AI Gateway.",
    2009: "This gateway requires its own token: set default_headers={'cf-aig-authorization': 'Bearer ...'}.",
    5007: "Check `model`: it must be the id of a text model, such as @cf/meta/llama-3.3-70b-instruct-fp8-fast.",
    5023: "Ask for JSON without streaming.",
    7000: "Check base_url: it must end in /client/v4.",
    7003: "Check CLOUDFLARE_ACCOUNT_ID or account_id: it is the id in the dashboard's address, not a zone's.",
}
"""Advice for codes that need another than their class."""


class WorkersAIError(Exception):
    """Base class of all failures of a call.

    Args:
        message: What the service said, without its prefixes, or what was noticed here.
        status: The HTTP status; None where no answer came.
        code: Cloudflare's own error code; None where it gave none.
        ray_id: The `cf-ray` header of the answer.
        request_id: The `cf-ai-req-id` header of the answer.
        is_retryable: Whether the same call may succeed later; the default is the class's own.
        retry_after: Seconds the service asked to wait.
        partial: What had been received of the answer before it failed.
        response: The answer: status, headers and body, never the request.
    """

    retryable: ClassVar[bool] = False
    class_advice: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        ray_id: str = "",
        request_id: str = "",
        is_retryable: bool | None = None,
        retry_after: float | None = None,
        partial: Reply | None = None,
        response: httpx.Response | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.ray_id = ray_id
        self.request_id = request_id
        self.is_retryable = type(self).retryable if is_retryable is None else is_retryable
        self.retry_after = retry_after
        self.partial = partial
        self.response = response

    def __str__(self) -> str:
        known = {"status": self.status, "code": self.code, "ray": self.ray_id, "request": self.request_id}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
        text = f"{self.message} ({details})" if details else self.message
        return f"{text.removesuffix('.')}. {self.advice}" if self.advice else text

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence; empty if nothing is known to help."""
        if self.status is None or (self.retry_after or 0) > LONGEST_RETRY_AFTER:  # the message says it itself
            return ""
        if HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return "Redirects are not followed, as they could take the token elsewhere: check base_url."
        if self.code is None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self._is_web_page():
            return "A web page answered, not the API: check base_url, and what is between here and the service."
        return _ADVICE.get(self.code or 0, self.class_advice)

    def _is_web_page(self) -> bool:
        return self.response is not None and self.response.headers.get("content-type", "").startswith("text/html")

    def details(self) -> dict[str, Any]:
        """Keyword arguments that create the same error."""
        return {
            "status": self.status,
            "code": self.code,
            "ray_id": self.ray_id,
            "request_id": self.request_id,
            "is_retryable": self.is_retryable,
            "retry_after": self.retry_after,
            "partial": self.partial,
            "response": self.response,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.message, self.details())


def _revive(kind: type[WorkersAIError], message: str, details: dict[str, Any]) -> WorkersAIError:
    return kind(message, **details)


class InvalidRequestError(WorkersAIError):
    """The request cannot be right as it is: a field is missing, of the wrong type or out of range."""


class ContextOverflowError(InvalidRequestError):
    """Input and `max_tokens` together exceed the context window of 24,000 tokens (code 5021)."""

    class_advice = "Shorten the messages or lower max_tokens: both share the window of 24,000 tokens."


class MissingCredentialsError(InvalidRequestError):
    """No account id or no token was given, nor found in the environment."""


class AuthenticationError(WorkersAIError):
    """The token is missing, malformed or wrong."""

    class_advice = "Check the token in CLOUDFLARE_API_TOKEN or api_token; `Workers AI` must be among its permissions."


class PermissionDeniedError(WorkersAIError):
    """The token is valid, but not for this account or model."""

    class_advice = "Give the token the permission `Workers AI` (Read and Edit) on this account, and check account_id."


class NotFoundError(WorkersAIError):
    """The account, the model or the gateway does not exist, or the model has no queue."""


class RateLimitError(WorkersAIError):
    """Too many requests; the same call succeeds later."""

    class_advice = "Send fewer requests at once, or raise max_retries."

    retryable = True


class CapacityError(RateLimitError):
    """The service is out of capacity (code 3040); it helps to wait for half a minute or more."""

    class_advice = "Try again in half a minute, or raise max_retries."


class QuotaExceededError(RateLimitError):
    """The daily free allocation (codes 3036, 4006, until 00:00 UTC) or a spend limit is used up."""

    class_advice = (
        "The free allocation starts anew at 00:00 UTC; a paid plan has none. A spend limit is set in the dashboard."
    )

    retryable = False


class ServiceError(WorkersAIError):
    """The service, or something in front of it, failed."""

    retryable = True


class BadResponseError(ServiceError):
    """The response cannot be read."""

    retryable = False


class StreamInterruptedError(ServiceError):
    """The stream broke off or carried an error; `partial` holds what had come; only if nothing had, it is retried."""

    retryable = False


class JSONModeError(ServiceError):
    """The model could not meet the JSON schema (code 5024); asking once more often helps."""


class ToolChoiceError(ServiceError):
    """A tool call was forced, and after asking again the model still made none; `partial` is what it answered."""

    retryable = False


class SubmissionInDoubtError(ServiceError):
    """A batch was sent, and what became of it is not known: sent again, it may be billed twice."""

    retryable = False


class BudgetExceededError(WorkersAIError):
    """The call may cost more than is left of a budget; it was not sent."""


class JournalError(WorkersAIError):
    """The file of a batch job cannot be read or written: it is locked, damaged or no journal, or the disk fails."""


class ConnectionFailedError(WorkersAIError):
    """The connection failed, or broke before a response arrived."""

    retryable = True


class RequestTimeoutError(WorkersAIError):
    """No response, or no further event of a stream, arrived in time."""

    retryable = True
