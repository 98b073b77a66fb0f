"""The log of received requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 500
"""Characters of a request's content that are shown on its line."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A received request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; not in the repr, because they contain the token."""
    content: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The parsed JSON body.

        Raises:
            ValueError: when it is none.
        """
        return json.loads(self.content)

    def __str__(self) -> str:
        """The request in one line, with shortened content and without headers."""
        content = " ".join(self.content.decode(errors="replace").split())
        return f"{self.method} {self.path} {content if len(content) <= SHOWN else content[:SHOWN] + '…'}"


class RequestLog(list[LoggedRequest]):
    """Received requests, oldest first; bounded, the oldest are dropped."""

    def __init__(self, length: int, size: int) -> None:
        """Keep at most `length` requests and `size` bytes of content."""
        super().__init__()
        self._length, self._size, self._held = length, size, 0

    def remember(self, read_request: LoggedRequest) -> None:
        """Add a request."""
        self.append(read_request)
        self._held += len(read_request.content)
        while self and (len(self) > self._length or self._held > self._size):
            self._held -= len(self.pop(0).content)

    def clear(self) -> None:
        """Remove all requests."""
        super().clear()
        self._held = 0
