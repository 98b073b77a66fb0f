"""Removes secrets from recordings: credentials that were sent, and matches of the user's own patterns."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, AnyStr, NamedTuple, Protocol

from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece, to_json

PLACEHOLDER = re.compile(r"<scrubbed(?:-[a-z]+)?>")
"""What stands where something has been taken out."""

_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f:]*[0-9a-f])"
    r"|[23f][0-9a-f]{3}:(?:[0-9a-f]{1,4}:)?:(?:[0-9a-f:]*[0-9a-f])?)(?![\w:])",
    re.IGNORECASE,
)
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?<![^\s:,\[])-?\d[\d.eE+-]*(?![^\s,\]}])')
_INCREMENT = re.compile(rf'"(response|content|arguments|text|reasoning\w*)"\s*:\s*({_LITERAL.pattern})')
_JSON = re.compile(r"json|event-stream")
_ERROR = 400

Span = tuple[int, int, str]
"""Where a text is to be replaced, from and to, and by what."""


class Finder(Protocol):
    """Finds a text within another, as a regular expression does."""

    def finditer(self, string: str, /) -> Iterator[re.Match[str]]:
        """Yield each match."""


@dataclass(frozen=True)
class Scrubber:
    """Finders, each with what replaces the text that it finds."""

    patterns: tuple[tuple[Finder, str], ...] = ()

    def also(self, other: Scrubber) -> Scrubber:
        """Return both together."""
        return Scrubber((*self.patterns, *other.patterns))

    def spans(self, text: str) -> list[Span]:
        """Return what is to be replaced in a text: in order, and none within another."""
        done = [match.span() for match in PLACEHOLDER.finditer(text)]
        ends = [end for _, end in done]
        found = [
            (*match.span(), placeholder)
            for pattern, placeholder in self.patterns
            for match in pattern.finditer(text)
            if match.group() and not _lies_within(match.span(), done, ends)
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
        return _edited([text], self.spans(text))[0]

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
        is_json = _JSON.search(exchange.headers.get("content-type", "")) is not None
        scrubber = self.also(ADDRESSES) if exchange.status >= _ERROR else self
        return replace(
            exchange,
            route=self.text(exchange.route),
            body=self.json(exchange.body),
            headers=headers,
            pieces=scrubber.pieces(exchange.pieces, is_json=is_json),
        )

    def pieces(self, pieces: Sequence[Piece], *, is_json: bool) -> list[Piece]:
        """Return the pieces of an answer, scrubbed also where a text is spread over several of them."""
        passes = [_spans_of_increments, _spans_of_json, Scrubber.spans] if is_json else [Scrubber.spans]
        contents = [piece.content for piece in pieces]
        for spans_of in passes:
            text = b"".join(contents).decode("utf-8", "surrogateescape")
            contents = _edited(contents, _in_bytes(text, spans_of(self, text)))
        return [Piece(piece.wait, content) for piece, content in zip(pieces, contents, strict=True)]


ADDRESSES = Scrubber(((_ADDRESS, "<scrubbed-address>"),))
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


def _spans_of_json(scrubber: Scrubber, text: str) -> list[Span]:
    """Return what is to be replaced in the literals of JSON, so that it stays JSON, and in what stands between them."""
    spans: list[Span] = []
    begin = 0
    for literal in _LITERAL.finditer(text):
        spans += _moved(scrubber.spans(text[begin : literal.start()]), begin)
        value = _value(literal.group())
        if value is None:
            spans += _moved(scrubber.spans(literal.group()), literal.start())
        elif (scrubbed := scrubber.text(value)) != value:
            spans.append((*literal.span(), to_json(scrubbed)))
        begin = literal.end()
    return [*spans, *_moved(scrubber.spans(text[begin:]), begin)]


class _Increment(NamedTuple):
    """A part of an answer's text in one event of a stream."""

    start: int
    end: int
    event: int
    value: str


def _spans_of_increments(scrubber: Scrubber, text: str) -> list[Span]:
    """Return what is to be replaced in the increments of a stream, where the patterns find it across several events.

    Where an event has an increment twice, both copies are replaced: one of them may have lost its whitespace, so that
    the patterns do not find it.
    """
    channels: dict[str, list[_Increment]] = {}
    event = position = 0
    for match in _INCREMENT.finditer(text):
        event, position = event + text.count("\n", position, match.start()), match.start()
        if (value := _value(match[2])) is not None:
            channels.setdefault(match[1], []).append(_Increment(*match.span(2), event, value))
    new: dict[_Increment, str] = {}
    for increments in channels.values():
        values = [increment.value for increment in increments]
        new |= dict(zip(increments, _edited(values, scrubber.spans("".join(values))), strict=True))
    changed = {(each.event, each.value.strip()): text for each, text in new.items() if text != each.value}
    for each, scrubbed in new.items():
        if scrubbed == each.value:
            new[each] = changed.get((each.event, each.value.strip()), scrubbed)
    return sorted((each.start, each.end, to_json(text)) for each, text in new.items() if text != each.value)


def _value(literal: str) -> str | None:
    """Return the text of a JSON literal, of a number as it is written; None if it is no JSON."""
    if not literal.startswith('"'):
        return literal
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return None


def _lies_within(span: tuple[int, int], others: Sequence[tuple[int, int]], ends: Sequence[int]) -> bool:
    """Whether a span lies within one of others, which are in order and end at `ends`."""
    at = bisect_left(ends, span[1])
    return at < len(others) and others[at][0] <= span[0]


def _moved(spans: Iterable[Span], by: int) -> list[Span]:
    return [(start + by, end + by, new) for start, end, new in spans]


def _in_bytes(text: str, spans: Iterable[Span]) -> list[tuple[int, int, bytes]]:
    """Return spans of characters as spans of the bytes that the characters were read from."""
    edits, position, offset = [], 0, 0
    for start, end, new in spans:
        begin = offset + len(text[position:start].encode("utf-8", "surrogateescape"))
        position, offset = end, begin + len(text[start:end].encode("utf-8", "surrogateescape"))
        edits.append((begin, offset, new.encode("utf-8")))
    return edits


def _edited(parts: Iterable[AnyStr], edits: Sequence[tuple[int, int, AnyStr]]) -> list[AnyStr]:
    """Return parts of a whole, edited at places of the whole; what is new stands in the part where its place begins."""
    result: list[AnyStr] = []
    begin = first = 0
    for part in parts:
        end, position, new = begin + len(part), begin, part[:0]
        while first < len(edits) and edits[first][0] < end:
            start, stop, replacement = edits[first]
            new += part[position - begin : max(start, begin) - begin]
            new += replacement if start >= begin else part[:0]
            position = min(stop, end)
            if stop > end:  # it goes on in the next part
                break
            first += 1
        result.append(new + part[position - begin :])
        begin = end
    return result
