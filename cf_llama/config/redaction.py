"""Redacts credentials that a server echoes in error messages or headers, because both end up in logs and traces."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from cf_llama.protocol.errors import WorkersAIError

REDACTED = "***"
MIN_SECRET_LENGTH = 8
"""Minimum length of a secret; shorter texts are not real secrets and occur in words."""


class Redactor:
    """Redacts secrets in server messages, in any letter case: names of headers, for one, come in lower case.

    Args:
        secrets: Texts that must not be shown, in ASCII.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = [secret.lower() for secret in secrets if len(secret) >= MIN_SECRET_LENGTH]

    def text(self, text: str) -> str:
        """Redact a text."""
        for secret in self._found(text):
            text = re.sub(re.escape(secret), REDACTED, text, flags=re.IGNORECASE)
        return text

    def _found(self, text: str) -> list[str]:
        lower = text.lower()
        return [secret for secret in self._secrets if secret in lower]

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Redact header names and values."""
        redacted = dict(headers.items())
        if self._found("\n".join((*redacted, *redacted.values()))):  # looking once is faster, and nearly always enough
            redacted = {self.text(name): self.text(value) for name, value in redacted.items()}
        return redacted

    def error(self, error: WorkersAIError) -> WorkersAIError:
        """Redact an error's message and response body; headers are redacted on arrival."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        if error.response is not None:
            error.response = self._response(error.response)
        return error

    def _response(self, response: httpx.Response) -> httpx.Response:
        body = self.text(response.content.decode("latin-1")).encode("latin-1")  # any byte is a character of it
        if body == response.content:
            return response
        return type(response)(response.status_code, headers=response.headers, content=body)
