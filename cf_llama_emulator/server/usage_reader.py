"""Reads from an answer of the service how many tokens it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

LONGEST = 10_000_000
"""Bytes of an answer that are read."""


class Usage(NamedTuple):
    """Tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int


class UsageReader:
    """A push parser of whole answers and streams, in each of the three shapes."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._line, self._body, self._length = bytearray(), bytearray(), 0
        self._counted: Usage | None = None
        self._sum: Usage | None = None

    def feed(self, content: bytes) -> None:
        """Take the next bytes of an answer."""
        self._length += len(content)
        if self._length > LONGEST:
            return
        first, *others = content.split(b"\n")
        self._line += first
        for other in others:
            self._end_line()
            self._line += other

    def finish(self) -> Usage | None:
        """Take the end of the answer and return its usage, or None if there is none."""
        self._end_line()
        self._add(bytes(self._body))
        if self._sum and self._counted and sum(self._sum) >= self._counted.prompt_tokens:
            return self._sum
        return self._counted

    def _end_line(self) -> None:
        line = bytes(self._line).strip()
        self._line.clear()
        if line.startswith(b"data:"):
            self._add(line.removeprefix(b"data:"))
        else:
            self._body += line

    def _add(self, text: bytes) -> None:
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError):
            return
        result = payload.get("result", payload) if isinstance(payload, dict) else None
        recorded = result.get("streamed_data") if isinstance(result, dict) else None  # AI Gateway's form of a stream
        for event in recorded if isinstance(recorded, list) else [result]:
            usage = event.get("usage") if isinstance(event, dict) else None
            if isinstance(usage, dict):
                self._count(Usage(_number(usage, "prompt_tokens"), _number(usage, "completion_tokens")))

    def _count(self, usage: Usage) -> None:
        """Add the usage of an event: increments count no prompt after the first; what counts it again is the sum."""
        if self._counted is None:
            self._counted = usage
        elif not usage.prompt_tokens:
            completion_tokens = self._counted.completion_tokens + usage.completion_tokens
            self._counted = Usage(self._counted.prompt_tokens, completion_tokens)
        elif self._sum is None or sum(usage) >= sum(self._sum):
            self._sum = usage


def _number(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e12 else 0  # noqa: PLR2004 - NaN neither
