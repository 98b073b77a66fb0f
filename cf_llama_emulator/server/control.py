"""Routes by which a test in any language scripts a running emulator: for programs on this machine only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cf_llama_emulator.engines.script_json import read_turns
from cf_llama_emulator.faults import combined
from cf_llama_emulator.hosts import LOOPBACK_HOSTS
from cf_llama_emulator.server.auth import is_loopback, refusal_of_origin
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.server.request_context import read_request
from cf_llama_emulator.server.request_log import LoggedRequest
from cf_llama_emulator.server.responses import json_response
from cf_llama_emulator.settings import Settings

PREFIX = "/__emulator"
SECRET_HEADERS = frozenset({"authorization", "x-auth-key", "cf-aig-authorization", "cookie"})
REDACTED = "[redacted]"
_KEYS = ("turns", "faults", "always")


def control_routes(emulator: Emulator) -> list[Route]:
    """Return the routes that script `emulator`."""
    control = Control(emulator)
    return [
        Route(f"{PREFIX}/script", control.script, methods=["POST"]),
        Route(f"{PREFIX}/requests", control.requests, methods=["GET"]),
        Route(f"{PREFIX}/reset", control.reset, methods=["POST"]),
    ]


@dataclass
class Control:
    """The handlers; each answers 403 to what is not from this machine. None of them needs a token."""

    emulator: Emulator

    async def script(self, request: Request) -> Response:
        """Answer `POST /__emulator/script`: `turns`, `faults` of the next requests, faults of all (`always`)."""
        if reason := self._refusal(request):
            return _failure(reason, HTTPStatus.FORBIDDEN)
        try:
            body = _read_body((await read_request(request)).content)
            turns, faults, always = read_turns(body.get("turns", [])), body.get("faults", []), body.get("always")
            _check_faults(faults, always)
            if turns:
                self.emulator.scripted.say(*turns)
        except (ValueError, RecursionError) as error:
            return _failure(str(error), HTTPStatus.BAD_REQUEST)
        self.emulator.next_faults.extend(faults)
        self.emulator.always = self.emulator.always if always is None else always
        return self._remaining()

    async def requests(self, request: Request) -> Response:
        """Answer `GET /__emulator/requests`: the requests seen, oldest first, with credentials redacted."""
        if reason := self._refusal(request):
            return _failure(reason, HTTPStatus.FORBIDDEN)
        return json_response({"requests": [describe(logged) for logged in self.emulator.requests]})

    async def reset(self, request: Request) -> Response:
        """Answer `POST /__emulator/reset`: forget script, faults and requests; say how many turns were left."""
        if reason := self._refusal(request):
            return _failure(reason, HTTPStatus.FORBIDDEN)
        answer = self._remaining()
        self.emulator.clear()
        return answer

    def _refusal(self, request: Request) -> str | None:
        return refusal_of_stranger(request, self.emulator.settings)

    def _remaining(self) -> Response:
        return json_response({"remaining": self.emulator.scripted.remaining})


def refusal_of_stranger(request: Request, settings: Settings) -> str | None:
    """Say why a request may not use these routes, or return None: it must be from this machine, by a loopback name."""
    if request.client is None or not is_loopback(request.client.host):
        return f"{PREFIX} is served to this machine only."
    return refusal_of_origin(request.headers, LOOPBACK_HOSTS, settings.origins)


def describe(logged: LoggedRequest) -> dict[str, Any]:
    """Return a request as JSON; its body is the parsed value, or the text where it is no JSON."""
    headers = {name: REDACTED if name in SECRET_HEADERS else value for name, value in logged.headers.items()}
    try:
        body = logged.body
    except (ValueError, RecursionError):
        body = logged.content.decode(errors="replace")
    return {
        "method": logged.method,
        "path": logged.path,
        "query": dict(logged.query),
        "headers": headers,
        "body": body,
    }


def _read_body(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        raise ValueError("the body is not valid JSON") from None
    if not isinstance(body, dict) or not body or not body.keys() <= {*_KEYS}:
        raise ValueError(f"the body must be an object with some of the keys {', '.join(_KEYS)}")
    return body


def _check_faults(faults: Any, always: Any) -> None:
    if not isinstance(faults, list) or not all(isinstance(text, str) for text in faults):
        raise ValueError("faults must be a list of texts, one for each of the next requests")
    if not isinstance(always, str | None):
        raise ValueError('always must be a text, e.g. "latency=0.2"')  # noqa: TRY004 - of JSON
    combined([*faults, always or ""])


def _failure(text: str, status: HTTPStatus) -> Response:
    return json_response({"error": text}, status)
