"""Sends the requests of experiments; the only module here that touches a socket."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from cf_llama.config.connection import Connection
from cf_llama.config.redaction import Redactor
from cf_llama.verify.answer import Answer
from cf_llama.verify.experiment import Request

if TYPE_CHECKING:
    import httpx

WRONG_TOKEN = "x" * 40
GIVE_UP_AFTER = 3
"""Connections that fail in a row, after which nothing more is sent."""


class Client:
    """Sends requests one at a time and removes account and token from the answers.

    Args:
        connection: Where to send them, with which credentials and timeouts.
        transport: What sends them; None is httpx's own.
    """

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        import httpx  # noqa: PLC0415 - takes longer to import than all of ours

        self._connection, self._redactor = connection, connection.redactor()
        limits = connection.timeouts
        self._http = httpx.Client(timeout=httpx.Timeout(limits.read, connect=limits.connect), transport=transport)
        self._failures = 0

    def send(self, request: Request) -> Answer:
        """Return the answer to a request; a connection that fails is an answer too."""
        if self._failures >= GIVE_UP_AFTER:
            return Answer(failure=f"not asked: {GIVE_UP_AFTER} connections in a row have failed")
        answer = _redacted(self._answer(request), self._redactor)
        self._failures = self._failures + 1 if answer.failure else 0
        return answer

    def _answer(self, request: Request) -> Answer:
        import httpx  # noqa: PLC0415 - as above

        url = f"{self._connection.base_url}/accounts/{self._connection.account_id}/{request.route}"
        content = bytearray()
        with ExitStack() as stack:
            try:
                options = {"headers": self._headers(request), "content": request.content.encode() or None}
                answer = stack.enter_context(self._http.stream(request.method, url, **options))  # type: ignore[arg-type] # mypy takes the values of one dict for one type
                for chunk in answer.iter_bytes():
                    content += chunk
            except httpx.HTTPError as error:
                return Answer(failure=f"no whole answer: {_words(type(error).__name__)}", content=bytes(content))
            except ValueError as error:  # a recorder takes no encoding that it cannot search for secrets
                return Answer(failure=f"no whole answer: {error}")
            return Answer(answer.status_code, dict(answer.headers), bytes(content))

    def _headers(self, request: Request) -> dict[str, str]:
        headers = self._connection.http_headers() | dict(request.headers)
        if request.credentials == "none":
            del headers["authorization"]
        elif request.credentials == "wrong":
            headers["authorization"] = f"Bearer {WRONG_TOKEN}"
        return headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._http.close()


def _redacted(answer: Answer, redactor: Redactor) -> Answer:
    content = redactor.text(answer.content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return Answer(answer.status, redactor.headers(answer.headers), content, answer.failure)


def _words(name: str) -> str:
    """Return a class name as words: `ReadTimeout` as `read timeout`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
