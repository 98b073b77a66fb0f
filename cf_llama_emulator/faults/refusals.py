"""Refusals on demand: any code, in any of the bodies that refusals are known to come in.

They stand in the order of the checks: the edge, the API front, the context window, rate, quota, capacity, the model.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from cf_llama_emulator.faults.codes import error_of
from cf_llama_emulator.faults.error_formats import FORMS
from cf_llama_emulator.faults.kinds import Fault, OnError, OnHeaders, Refusing
from cf_llama_emulator.faults.limits import Rates, UsageCounter, over_capacity, over_quota, over_rate
from cf_llama_emulator.faults.values import Number, OneOf, Pattern
from cf_llama_emulator.wire.errors import ServiceError


def _page(status: float) -> ServiceError:
    names = {status.value: status.phrase for status in HTTPStatus}
    text = names.get(int(status), "Web server is returning an unknown error")
    return ServiceError(int(status), 0, text).with_changes(form="html")


def _retry_after(wish: Any) -> dict[str, str]:
    amount, unit = wish["amount"], wish["unit"]
    if unit == "date":
        return {"retry-after": formatdate(time.time() + float(amount), usegmt=True)}
    return {"retry-after-ms" if unit else "retry-after": amount}


ABOVE = "capacity-above"
ERRORS_PAGE, RECORDED, REPORTED = "Cloudflare docs: Workers AI errors", "recorded answers", "reports of users"
GATEWAY_PAGE, EDGE_PAGE = "Cloudflare docs: AI Gateway", "Cloudflare docs: 5xx and 1xxx errors"

REFUSALS: tuple[Fault, ...] = (
    Refusing(
        "page",
        "answers an HTML error page with this status",
        EDGE_PAGE,
        Number("STATUS", 522, 400, 599, whole=True),
        error=lambda _, status: _page(status),
    ),
    Refusing(
        "edge-limited",
        "refuses as the edge does, with a line of text (1015)",
        EDGE_PAGE,
        error=lambda _, __: error_of(1015).with_changes(form="text"),
    ),
    Refusing(
        "error",
        "refuses with this code, its usual status and text; unknown ones are 400",
        ERRORS_PAGE,
        Number("CODE", 3043, 1, 99_999, whole=True),
        error=lambda _, code: error_of(code),
    ),
    Refusing("context-overflow", "refuses input that is too long (5021)", RECORDED, error=lambda _, __: error_of(5021)),
    Refusing(
        "rate-limit",
        "refuses what comes above so many requests in any minute, or in a window counted in another way (3021)",
        "Cloudflare docs: Workers AI limits, which do not say how they count",
        Rates(),
        error=over_rate,
        count=UsageCounter.count,
    ),
    Refusing(
        "rate-limited",
        "refuses as after too many requests in a minute (3021)",
        RECORDED,
        error=lambda _, __: error_of(3021),
    ),
    Refusing(
        "quota",
        "refuses once so many neurons are spent, until 00:00 UTC (4006)",
        "Cloudflare docs: Workers AI pricing",
        Number("NEURONS", 10_000, 0),
        error=over_quota,
    ),
    Refusing(
        "quota-spent",
        "refuses as after the day's free allocation: documented as 3036, seen as 4006",
        f"{ERRORS_PAGE}; {RECORDED}",
        OneOf(("4006", "3036")),
        error=lambda _, code: error_of(int(code)),
    ),
    Refusing("capacity", "refuses for lack of capacity (3040)", ERRORS_PAGE, error=lambda _, __: error_of(3040)),
    Refusing(
        ABOVE,
        "refuses what comes above so many requests at once, until their answers have ended (3040)",
        "made up",
        Number("REQUESTS", 50, 0, whole=True),
        early=True,
        error=over_capacity,
    ),
    Refusing(
        "guardrails",
        "blocks the prompt (2016) or the answer (2017)",
        GATEWAY_PAGE,
        OneOf(("prompt", "answer")),
        error=lambda _, what: error_of(2016 if what == "prompt" else 2017),
    ),
    OnError(
        "code",
        "sends every refusal, also one that a limit makes, with this code, its usual status and text",
        f"{RECORDED} and {REPORTED}",
        Number("CODE", 2009, 1, 99_999, whole=True),
        change=lambda error, code: error_of(code).with_changes(form=error.form),
    ),
    OnError(
        "form",
        "writes refusals in this form",
        f"{RECORDED} and {REPORTED}",
        OneOf(tuple(FORMS)),
        change=lambda error, form: error.with_changes(form=form),
    ),
    OnError(
        "status",
        "sends refusals with this status; by default success: false under 200",
        RECORDED,
        Number("STATUS", 200, 200, 599, whole=True),
        change=lambda error, status: error.with_changes(status=int(status)),
    ),
    OnHeaders(
        "retry-after",
        "asks to wait that long, in seconds, milliseconds or until a date; the AI service's own refusals do not",
        EDGE_PAGE,
        Pattern("SECONDS, MILLISECONDSms or SECONDSdate", "30", r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>ms|date)?"),
        headers=_retry_after,
    ),
)
