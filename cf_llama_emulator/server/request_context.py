"""Properties of one request: id, faults, gateway, response headers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from cf_llama_emulator.faults import NO_FAULTS, Plan
from cf_llama_emulator.faults.codes import error_of
from cf_llama_emulator.server.ai_gateway import GATEWAY, gateway_headers
from cf_llama_emulator.server.auth import check_account_form
from cf_llama_emulator.server.request_log import LoggedRequest
from cf_llama_emulator.server.responses import while_connected
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.errors import ServiceError, emulator_error, no_route, wrong_method
from cf_llama_emulator.wire.writers import WRITERS

BODY_LIMIT = 10_000_000
"""Bytes of a request body (Cloudflare's batch page; nothing is stated for the other routes)."""


async def read_request(request: Request) -> LoggedRequest:
    """Read a request with its content; reading stops at the size limit."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_LIMIT:
            break
    query, headers = dict(request.query_params), dict(request.headers)
    return LoggedRequest(request.method, request.url.path, query, headers, bytes(content))


def check_size(content: bytes) -> None:
    """Reject content above the size limit with 413/3006."""
    if len(content) > BODY_LIMIT:
        raise ServiceError(413, 3006, "Request is too large")


def request_id(request: Request) -> str:
    """Return the request's id, created on first use."""
    if not hasattr(request.state, "request_id"):
        request.state.request_id = str(uuid.uuid4())
    return str(request.state.request_id)


def plan_of(request: Request) -> Plan:
    """Return the faults that apply to a request."""
    plan: Plan = getattr(request.state, "plan", NO_FAULTS)
    return plan


def gateway_of(request: Request) -> str | None:
    """Return the gateway of a request: from its path on the gateway's own host, else from a header."""
    named: str | None = request.path_params.get("gateway") or request.headers.get(GATEWAY)
    return named


def on_gateway_host(request: Request) -> bool:
    """Whether a request uses the gateway's own host."""
    return "gateway" in request.path_params


def is_openai(request: Request) -> bool:
    """Whether a request uses an OpenAI-compatible route."""
    return request.url.path.endswith("/chat/completions")


def shape_of(request: Request, settings: Settings) -> str:
    """Return the shape to answer in: OpenAI's on its own route.

    Raises:
        ServiceError: the request's header names a shape that is not known.
    """
    if is_openai(request):
        return "openai"
    shape = request.headers.get("x-emulator-shape", settings.shape)
    if shape not in WRITERS:
        raise emulator_error(f"x-emulator-shape must be one of {', '.join(WRITERS)}, not {shape!r}")
    return shape


def headers_of(request: Request, engine: str) -> dict[str, str]:
    """Return the response headers; those of the AI service only after the credentials were checked."""
    headers = {"server": "cloudflare", "cf-ray": f"{uuid.uuid4().hex[:16]}-EMU"}
    if getattr(request.state, "admitted", False):
        headers |= {"cf-ai-req-id": request_id(request), "x-emulator-engine": engine}
        headers |= gateway_headers(getattr(request.state, "model", "")) if gateway_of(request) else {}
    return headers


async def capacity(request: Request, body: Mapping[str, Any], seconds: float) -> None:
    """Wait for capacity, or reject a request with rejectIfBusy."""
    options = body.get("options")
    if isinstance(options, Mapping) and options.get("rejectIfBusy") is True:
        raise error_of(3040)
    await while_connected(request, asyncio.sleep(seconds))


def front_refusal(request: Request, error: HTTPException) -> ServiceError:
    """Return the error of an unknown path or method."""
    try:
        check_account_form(request.url.path)
    except ServiceError as refusal:
        return refusal
    return wrong_method(request.method) if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else no_route()
