"""A request as the emulator remembers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 500
"""Characters of a request's content that are shown on its line."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; not printed, for they hold the token."""
    content: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The parsed JSON body.

        Raises:
            ValueError: when it is none.
        """
        return json.loads(self.content)

    def __str__(self) -> str:
        """Return it on one line, its content shortened, without headers."""
        content = " ".join(self.content.decode(errors="replace").split())
        return f"{self.method} {self.path} {content if len(content) <= SHOWN else content[:SHOWN] + '…'}"


class RequestLog(list[LoggedRequest]):
    """The requests seen so far, oldest first; bounded, the oldest are forgotten."""

    def __init__(self, length: int, size: int) -> None:
        """Remember at most `length` requests, and of their content `size` bytes."""
        super().__init__()
        self._length, self._size, self._held = length, size, 0

    def remember(self, read_request: LoggedRequest) -> None:
        """Add a request."""
        self.append(read_request)
        self._held += len(read_request.content)
        while self and (len(self) > self._length or self._held > self._size):
            self._held -= len(self.pop(0).content)

    def clear(self) -> None:
        """Forget them all."""
        super().clear()
        self._held = 0
