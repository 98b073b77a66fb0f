"""Converts error responses to errors: one pure function over one table.

Codes and their meaning: Cloudflare's pages "Workers AI errors" and "AI Gateway: errors"; those the pages leave out
are known from recorded answers. The same failure comes in seven bodies, and now and then under status 200.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any

from cf_llama.protocol import errors
from cf_llama.protocol.errors import LONGEST_RETRY_AFTER, WorkersAIError
from cf_llama.protocol.json_values import InvalidJSON, parse
from cf_llama.protocol.stop_sequences import join_surrogates

if TYPE_CHECKING:
    import httpx

_ERROR_TEXT_LIMIT = 2000  # characters of a foreign page that are worth showing


CODES: Mapping[int, type[WorkersAIError]] = {
    # Workers AI
    3003: errors.InvalidRequestError,  # incomplete request
    3006: errors.InvalidRequestError,  # request too large
    3007: errors.RequestTimeoutError,
    3008: errors.RequestTimeoutError,  # aborted
    3010: errors.CapacityError,
    3021: errors.RateLimitError,  # inference requests per minute
    3023: errors.PermissionDeniedError,
    3036: errors.QuotaExceededError,
    3039: errors.InvalidRequestError,  # fine-tune lacks files
    3040: errors.CapacityError,
    3041: errors.PermissionDeniedError,
    3042: errors.NotFoundError,
    3043: errors.ServiceError,
    3046: errors.RequestTimeoutError,
    3050: errors.ServiceError,
    4006: errors.QuotaExceededError,  # documented as 3036, seen as this
    5001: errors.ServiceError,
    5004: errors.InvalidRequestError,
    5005: errors.InvalidRequestError,  # no LoRA for this model
    5006: errors.InvalidRequestError,  # schema validation
    5007: errors.NotFoundError,  # no such model
    5012: errors.InvalidRequestError,
    5016: errors.PermissionDeniedError,
    5018: errors.PermissionDeniedError,
    5019: errors.InvalidRequestError,
    5021: errors.ContextOverflowError,
    5023: errors.InvalidRequestError,  # JSON schema together with stream
    5024: errors.JSONModeError,
    5025: errors.InvalidRequestError,
    5028: errors.NotFoundError,  # model retired
    5034: errors.PermissionDeniedError,
    5035: errors.PermissionDeniedError,
    7009: errors.ServiceError,
    8001: errors.InvalidRequestError,
    8004: errors.ServiceError,
    8005: errors.ServiceError,
    8006: errors.InvalidRequestError,  # forced call, too few max_tokens
    8007: errors.InvalidRequestError,
    8008: errors.ServiceError,
    # the API in front of it
    1000: errors.AuthenticationError,
    1010: errors.PermissionDeniedError,
    1015: errors.RateLimitError,
    1031: errors.PermissionDeniedError,
    7000: errors.NotFoundError,
    7001: errors.InvalidRequestError,
    7003: errors.NotFoundError,
    9106: errors.AuthenticationError,
    9109: errors.PermissionDeniedError,
    # AI Gateway
    2001: errors.NotFoundError,
    2003: errors.RateLimitError,
    2005: errors.ServiceError,  # "failed to get response from provider", although the status is 400
    2009: errors.AuthenticationError,
    2014: errors.RequestTimeoutError,
    2016: errors.InvalidRequestError,  # prompt blocked by guardrails
    2017: errors.InvalidRequestError,  # answer blocked by guardrails
    2021: errors.PermissionDeniedError,
    2040: errors.InvalidRequestError,
    2041: errors.QuotaExceededError,
    2045: errors.QuotaExceededError,
}

_AMBIGUOUS = {3030, 10000}
"""Ambiguous codes: the text or the status decides."""

_STATUSES: Mapping[int, type[WorkersAIError]] = {
    401: errors.AuthenticationError,
    402: errors.QuotaExceededError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.RequestTimeoutError,
    409: errors.ServiceError,
    410: errors.NotFoundError,
    425: errors.ServiceError,
    429: errors.RateLimitError,
    504: errors.RequestTimeoutError,
}

_PREFIX = re.compile(r"^(?:AiError: |Ai: |Bad input: |Error: |InferenceUpstreamError: )+")
_SUFFIX = re.compile(r" \([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\)$")
_ACCOUNT = re.compile(r"(?<=/accounts/)[0-9a-fA-F]{32}")
_CODE_IN_TEXT = re.compile(r"\b(\d{4,5}):")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_LAST_WORD = re.compile(r"[\w.-]*$")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


_ERROR_KEYS = {"success", "errors", "error", "name", "internalCode", "object", "state"}


def is_error(payload: Any) -> bool:
    """Whether a JSON body reports a failure. Failures also come with status 200."""
    if not isinstance(payload, dict) or payload.keys().isdisjoint(_ERROR_KEYS):
        return False
    return (
        payload.get("success") is False
        or bool(payload.get("errors") or payload.get("error"))
        or payload.get("name") == "AiError"
        or "internalCode" in payload
        or payload.get("object") == "error"
        or payload.get("state") == "Failed"
    )


def error_from(status: int, headers: Mapping[str, str], body: bytes) -> WorkersAIError:
    """Create the error of a response of any form, including unknown codes and HTML pages."""
    import httpx  # noqa: PLC0415 - takes longer to import than all of ours

    try:
        payload = parse(body)
    except InvalidJSON:
        payload = None
    code, text = _code_and_text(payload)
    message = _strip_prefixes(text) or _page_text(headers, body) or "the service gave no reason"
    kind, wait = _known_kind(status, code, message), _retry_after(headers, payload)
    return (kind or errors.ServiceError)(
        f"{message}; {_advice_until(wait)}" if wait and wait > LONGEST_RETRY_AFTER else message,
        status=status,
        code=code,
        ray_id=headers.get("cf-ray", ""),
        request_id=headers.get("cf-ai-req-id", ""),
        is_retryable=None if kind else status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        retry_after=wait,
        response=httpx.Response(status, headers=_decodable_headers(headers), content=body),
    )


def code_in(text: str) -> int | None:
    """The first known code in a text, as in `3040: Capacity temporarily exceeded`; None if there is none."""
    in_text = (int(number) for number in _CODE_IN_TEXT.findall(text))
    return next((number for number in in_text if number in CODES or number in _AMBIGUOUS), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After` (a number or a date); None if there is neither."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        if (value := headers.get("retry-after", "").strip()).replace(".", "", 1).isdigit():
            return float(value)
        if not value:
            return None
        date = parsedate_to_datetime(value)  # in UTC also where it names no zone, as the older forms of dates do
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time())
    except (ValueError, OverflowError):
        return None


def _retry_after(headers: Mapping[str, str], payload: Any) -> float | None:
    """The wait that the headers ask for; the edge may give it in the body only, in whole seconds."""
    from_body = _number(payload.get("retry_after")) if isinstance(payload, dict) else None
    from_headers = retry_after(headers)
    return from_headers if from_headers is not None or from_body is None else float(from_body)


def _advice_until(seconds: float) -> str:
    """A long wait in words; dates end with the year 9999."""
    try:
        moment = f", until {datetime.fromtimestamp(time() + seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        moment = ""
    return f"the service asks to wait {seconds:,.0f} seconds{moment}"


def _decodable_headers(headers: Mapping[str, str]) -> httpx.Headers:
    """Headers that still fit the body, which is decoded by now."""
    import httpx  # noqa: PLC0415 - as above

    fitting = {name: value for name, value in headers.items() if name not in {"content-encoding", "transfer-encoding"}}
    return httpx.Headers(fitting, encoding="utf-8")


def _known_kind(status: int, code: int | None, message: str) -> type[WorkersAIError] | None:
    """The class of a failure; None if neither text nor code nor status is known."""
    if "daily free allocation" in message:  # under 3036, 4006, and under no code at all
        return errors.QuotaExceededError
    if "request queuing" in message:  # 8007, which says many things
        return errors.NotFoundError
    if code == 10000:  # noqa: PLR2004 - Cloudflare's code for both; only the status tells them apart
        return errors.PermissionDeniedError if status == HTTPStatus.FORBIDDEN else errors.AuthenticationError
    if code == 3030:  # noqa: PLR2004 - a catch-all: a content filter, or an outage passed through
        return errors.ServiceError if "Internal Server Error" in message else errors.InvalidRequestError
    if code is not None and code in CODES:
        return CODES[code]
    if status in _STATUSES:
        return _STATUSES[status]
    return errors.InvalidRequestError if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR else None


def _code_and_text(payload: Any) -> tuple[int | None, str]:
    reports = list(_error_texts(payload))
    text = next((text for _, text in reports if text), "")
    code = next((code for code, _ in reports if code is not None), None)
    return code_in(text) if code is None else code, text


def _error_texts(payload: Any) -> Iterator[tuple[int | None, str]]:
    """All (code, text) pairs of a body, the most specific first."""
    if isinstance(payload, str):
        yield None, payload
    if not isinstance(payload, dict):
        return
    for key in ("errors", "error"):
        value = payload.get(key)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield None, item
            elif isinstance(item, dict):
                yield _number(item.get("code")), str(item.get("message") or "")
    code = _number(payload.get("internalCode"))
    yield _number(payload.get("code")) if code is None else code, str(payload.get("message") or "")
    yield None, str(payload.get("description") or "")
    edge = str(payload.get("detail") or payload.get("title") or "")
    yield _number(payload.get("error_code")), edge


def _number(value: Any) -> int | None:
    text = str(value)  # a numeric string at times
    return int(text) if text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - no code is longer


def _strip_prefixes(text: str) -> str:
    """What the service says without its frame, and without the account: an error's text ends up in logs."""
    return join_surrogates(_ACCOUNT.sub("...", _SUFFIX.sub("", _PREFIX.sub("", text.strip()))).strip())


def _page_text(headers: Mapping[str, str], body: bytes) -> str:
    text = body[: _ERROR_TEXT_LIMIT * 4].decode("utf-8", "replace").strip()
    title = _TITLE.search(text)
    words = " ".join((unescape(title[1]) if title else text).split())
    if _CONTROL.search(words):
        return f"{len(body):,} bytes that are no text (content-encoding: {headers.get('content-encoding', 'none')})"
    if len(words) <= _ERROR_TEXT_LIMIT and (title or len(body) <= _ERROR_TEXT_LIMIT * 4):
        return words
    return _LAST_WORD.sub("", words[:_ERROR_TEXT_LIMIT])  # of a token cut in two, no part could be redacted
