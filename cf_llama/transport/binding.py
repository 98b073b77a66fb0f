"""Calls the AI binding of a Worker, `env.AI`, in the shape of an asynchronous HTTP client.

`Call` builds a request as for HTTP and reads a status, headers and bytes as from HTTP, so retries, limits, timeouts and
errors are the same. Any Python object with an async method `run(model, inputs, options)` serves as a binding.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from cf_llama.config.connection import BINDING_URL, Connection
from cf_llama.protocol import errors
from cf_llama.protocol.error_responses import CODES, code_in
from cf_llama.transport.javascript import chunks_of, is_javascript, to_headers, to_javascript, unwrapped

SYNC = (
    "a binding answers asynchronous methods only, such as ainvoke, astream or achat: a Worker has one thread, and "
    "while a synchronous method waits in it, no answer can arrive"
)
"""Why a synchronous call over a binding is refused."""
_CODE = re.compile(r"(?:\w+: )*(\d{4,5}: .*)", re.DOTALL)
"""Names and a code, as in `InferenceUpstreamError: 3040: Capacity temporarily exceeded`."""
_STATUSES: tuple[tuple[type[errors.WorkersAIError], int], ...] = (
    (errors.RateLimitError, 429),
    (errors.NotFoundError, 404),
    (errors.AuthenticationError, 401),
    (errors.PermissionDeniedError, 403),
    (errors.RequestTimeoutError, 408),
    (errors.ContextOverflowError, 413),
    (errors.InvalidRequestError, 400),
    (errors.WorkersAIError, 500),
)
_DECODED = {"content-encoding", "content-length"}
"""Headers that the body no longer fits: the runtime has decompressed it."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Arguments of a binding's `run`."""

    model: str
    inputs: Mapping[str, Any]
    options: Mapping[str, Any]
    read_timeout: Callable[[], float | None]
    """Gives the timeout in seconds for the next read; None means no timeout."""
    written: Callable[[], None]
    """To be called when the request has been sent."""


class BindingClient:
    """Sends requests over a connection's binding.

    Args:
        connection: A connection with a binding.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def build_request(
        self, method: str, url: str, *, content: bytes, extensions: Mapping[str, Callable[..., Any]], **of_http: Any
    ) -> RunRequest:
        """Convert a request of HTTP: what a URL and a body say there is an argument or an option here."""
        del method, of_http
        model, _, query = url.removeprefix(f"{BINDING_URL}/").partition("?")
        inputs = json.loads(content)
        options = {
            **inputs.pop("options", {}),
            **{name: value == "true" for name, value in parse_qsl(query)},
            **self._connection.run_options(),
            "returnRawResponse": True,  # with status and headers, and the digits that parsing would lose
        }
        return RunRequest(model, inputs, options, extensions["read_timeout"], extensions.get("written", lambda: None))

    async def send(self, request: RunRequest, **of_http: Any) -> BindingResponse:
        """Call the binding and wait for its answer.

        Raises:
            httpx.ReadTimeout: There is none in time.
            httpx.ReadError: JavaScript raised an exception that has no code of the service.
        """
        del of_http
        binding = unwrapped(self._connection.binding)
        convert = to_javascript if is_javascript(binding) else dict[str, Any]
        try:
            async with _waiting(request.read_timeout()):
                pending = binding.run(request.model, convert(request.inputs), convert(request.options))
                request.written()
                answer = await pending
        except Exception as error:
            if (report := _report(error)) is None:
                raise
            return _refusal(report, getattr(binding, "lastRequestHttpStatusCode", None))
        status = getattr(answer, "status", None)
        if isinstance(status, int) and hasattr(answer, "headers"):
            return BindingResponse(status, to_headers(answer.headers), answer.body, request.read_timeout)
        return BindingResponse(HTTPStatus.OK, {}, answer, request.read_timeout)


class BindingResponse:
    """A binding's answer as a response of HTTP.

    Args:
        status_code: The HTTP status.
        headers: Headers, with names in lower case.
        body: See `javascript.chunks_of`.
        read_timeout: See `RunRequest`.
    """

    is_stream_consumed = False

    def __init__(
        self, status_code: int, headers: Mapping[str, str], body: Any, read_timeout: Callable[[], float | None]
    ) -> None:
        self.status_code = status_code
        self.headers = {name: value for name, value in headers.items() if name not in _DECODED}
        self.stream = self._read()
        self._chunks = chunks_of(body)
        self._read_timeout = read_timeout

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return HTTPStatus.OK <= self.status_code < HTTPStatus.MULTIPLE_CHOICES

    async def aclose(self) -> None:
        """Stop reading."""
        if close := getattr(self._chunks, "aclose", None):
            await close()

    async def _read(self) -> AsyncIterator[bytes]:
        while True:
            async with _waiting(self._read_timeout()):
                chunk = await anext(self._chunks, None)
            if chunk is None:
                return
            yield chunk


@asynccontextmanager
async def _waiting(seconds: float | None) -> AsyncIterator[None]:
    """Turn the end of a wait, and exceptions of JavaScript, into httpx's, which a `Call` understands."""
    import httpx  # noqa: PLC0415 - takes longer to import than all of ours

    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise httpx.ReadTimeout("the binding gave no answer") from None
    except Exception as error:
        if not is_javascript(error) or _report(error):
            raise
        raise httpx.ReadError(str(error)) from None


class _Report(NamedTuple):
    """What the service said before the binding made an exception of it."""

    code: int
    message: str


def _report(error: Exception) -> _Report | None:
    """Read the code in an exception's text: a binding's exceptions have it nowhere else."""
    found = _CODE.match(str(error))
    code = code_in(found[1]) if found else None
    return _Report(code, found[1].partition(f"{code}: ")[2]) if found and code is not None else None


def _refusal(report: _Report, last_status: object) -> BindingResponse:
    """Restore the error response that the binding made an exception of.

    Args:
        report: What it said.
        last_status: The status of the binding's last call, if it keeps one.
    """
    kind = CODES.get(report.code, errors.ServiceError)
    usual = next(status for each, status in _STATUSES if issubclass(kind, each))
    status = last_status if isinstance(last_status, int) and last_status >= HTTPStatus.BAD_REQUEST else usual
    return BindingResponse(status, {}, {"success": False, "errors": [report._asdict()]}, lambda: None)
