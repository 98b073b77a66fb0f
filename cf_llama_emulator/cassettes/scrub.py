"""Takes secrets out of what is recorded: what was sent as a credential, and what the user's own patterns find."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any
from urllib.parse import quote

from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece

PLACEHOLDER = re.compile(r"<scrubbed(?:-[a-z]+)?>")
"""What stands where something has been taken out."""

KEPT_HEADERS = re.compile(r"content-type|retry-after(?:-ms)?|cf-ai-.*|cf-aig-.*")
"""Headers of an answer that a client reads."""

_CREDENTIAL = re.compile(r"auth|token|secret|cookie|password|session|(?:^|-)key", re.IGNORECASE)
_ADDRESS_HEADER = re.compile(r"forwarded|(?:client|connecting|real)-?ip", re.IGNORECASE)
_HARMLESS = re.compile(r"accept(?:-.*)?|cache-control|connection|content-.*|host|te|transfer-encoding|x-stainless-.*")
"""Headers of a request that say nothing of who sends it, and whose values are words of any text."""

_SHORTEST_CREDENTIAL, _SHORTEST_VALUE = 4, 8
"""Characters below which a value is not searched for, because it would be found everywhere."""

_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f:]*[0-9a-f]))(?![\w:])"
)
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*')
_INCREMENT = re.compile(rf'"(response|content|arguments|text|reasoning\w*)"\s*:\s*({_LITERAL.pattern})')
_JSON = re.compile(r"json|event-stream")
_ERROR = 400

Span = tuple[int, int, str]
"""Where a text is to be replaced, from and to, and by what."""


@dataclass(frozen=True)
class Scrubber:
    """Regular expressions, each with what it is replaced by."""

    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def also(self, other: Scrubber) -> Scrubber:
        """Return both together."""
        return Scrubber((*self.patterns, *other.patterns))

    def spans(self, text: str) -> list[Span]:
        """Return what is to be replaced in a text: in order, and none within another."""
        found = [
            (*match.span(), placeholder)
            for pattern, placeholder in self.patterns
            for match in pattern.finditer(text)
            if match.group()
        ]
        merged: list[Span] = []
        for start, end, placeholder in sorted(found):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
            else:
                merged.append((start, end, placeholder))
        return merged

    def text(self, text: str) -> str:
        """Return a text without what the patterns find."""
        return _replaced(text, self.spans(text))

    def json(self, value: Any) -> Any:
        """Return a JSON value, scrubbed in its texts, keys and numbers."""
        if isinstance(value, dict):
            return {self.text(key): self.json(each) for key, each in value.items()}
        if isinstance(value, list):
            return [*map(self.json, value)]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        scrubbed = self.text(str(value))
        return value if scrubbed == str(value) else scrubbed

    def exchange(self, exchange: Exchange) -> Exchange:
        """Return an exchange of which nothing is left that the patterns find."""
        headers = {name: self.text(value) for name, value in exchange.headers.items()}
        passes = [_spans_of_increments, _spans_of_json] if _JSON.search(headers.get("content-type", "")) else []
        contents = [piece.content for piece in exchange.pieces]
        scrubber = self.also(_ADDRESSES) if exchange.status >= _ERROR else self
        for spans in [*passes, Scrubber.spans] if scrubber.patterns else []:
            contents = _edited(contents, spans(scrubber, b"".join(contents).decode("utf-8", "surrogateescape")))
        return replace(
            exchange,
            route=self.text(exchange.route),
            body=self.json(exchange.body),
            headers=headers,
            pieces=[Piece(piece.wait, content) for piece, content in zip(exchange.pieces, contents, strict=True)],
        )


_ADDRESSES = Scrubber(((_ADDRESS, "<scrubbed-address>"),))
"""Error pages tell the client's address."""


def user_patterns(patterns: Iterable[str | re.Pattern[str]]) -> Scrubber:
    """Return a scrubber of the user's own regular expressions.

    Raises:
        CassetteError: one is none.
    """
    try:
        return Scrubber(tuple((re.compile(pattern), "<scrubbed>") for pattern in patterns))
    except re.error as error:
        raise CassetteError(f"scrub pattern {error.pattern!r} is no regular expression: {error}") from None
