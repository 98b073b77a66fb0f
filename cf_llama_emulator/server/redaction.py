"""Redacts secrets in a text that arrives in chunks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cf_llama_emulator.cassettes.credentials import spellings

REDACTED = b"[redacted]"


class Redactor:
    """Replaces secrets in bytes, in each spelling; holds back an end that may be the beginning of one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Replace `secrets`, in upper and lower case."""
        known = {spelling.encode() for secret in secrets for spelling in spellings(secret)}
        self._spellings = sorted((each.lower() for each in known), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._spellings)), re.IGNORECASE)
        self._rest = b""

    def feed(self, content: bytes) -> bytes:
        """Take the next bytes and return what may be shown."""
        text = self._pattern.sub(REDACTED, self._rest + content)
        kept = self._beginning(text)
        self._rest = text[len(text) - kept :]
        return text[: len(text) - kept]

    def finish(self) -> bytes:
        """Return what was held back."""
        rest, self._rest = self._rest, b""
        return rest

    def text(self, text: str) -> str:
        """Return a whole text without secrets."""
        return self._pattern.sub(REDACTED, text.encode()).decode()

    def _beginning(self, text: bytes) -> int:
        """Return the length of the longest end of a text with which a secret begins."""
        longest = min(len(text), len(self._spellings[0]) - 1)
        ends = (text[len(text) - length :].lower() for length in range(longest, 0, -1))
        return next((len(end) for end in ends if any(each.startswith(end) for each in self._spellings)), 0)
