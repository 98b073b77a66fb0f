"""JSON in and out, without losing what a number looked like.

The service parses what it should pass on: a token `4`, `007` or `3e50` arrives as a JSON number, a whole answer that
happens to be valid JSON as an object. `parse` is quick and gives plain values; `parse_exactly` keeps each number as it
was written, and `text_of` writes a value back as the text it was.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pydantic_core

_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")


class BadJSON(Exception):  # noqa: N818 - it is the finding, not yet an error of a call
    """The bytes are not JSON, or nested deeper than any answer is."""


class Lexeme(str):
    """A number as it was written."""

    __slots__ = ()


def parse(data: bytes | str) -> Any:
    """Plain values of JSON text.

    Raises:
        BadJSON: it is none.
    """
    try:
        return pydantic_core.from_json(data, cache_strings="keys")  # texts of answers never come twice
    except ValueError:  # lone surrogates and huge integers are no JSON to it, but they come
        return _parse(data)


def parse_exactly(data: bytes | str) -> Any:
    """Like `parse`, with every number as a `Lexeme`.

    Raises:
        BadJSON: it is no JSON.
    """
    return _parse(data, parse_int=Lexeme, parse_float=Lexeme, parse_constant=Lexeme)


def _parse(data: bytes | str, **hooks: Any) -> Any:
    try:
        return json.loads(data, **hooks)
    except (ValueError, RecursionError) as error:
        raise BadJSON(str(error)) from None


def undressed(text: str) -> str:
    """The JSON in an answer that should be nothing else, but has words or a fence around it; else `text` itself.

    Nothing is mended: of JSON that was cut off no part is taken for the whole.
    """
    for candidate in (text, *_FENCE.findall(text), _bracketed(text)):
        try:
            parse(candidate)
        except BadJSON:
            continue
        return str(candidate)
    return text


def _bracketed(text: str) -> str:
    """From the first bracket to the last that could close it."""
    opening = _OPENING.search(text)
    return text[opening.start() : text.rfind("}" if opening[0] == "{" else "]") + 1] if opening else ""


def text_of(value: Any) -> str:
    """The text that a value of `parse_exactly` was parsed from; None is no text.

    Raises:
        BadJSON: it is nested deeper than any answer is.
    """
    if value is None or isinstance(value, str):
        return str(value or "")
    try:
        return _written(value)
    except RecursionError as error:
        raise BadJSON(str(error)) from None


def _written(value: Any) -> str:
    match value:
        case Lexeme():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_quoted(key)}: {_written(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
