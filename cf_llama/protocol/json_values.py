"""Reads and writes JSON without changing how numbers are written.

The service parses what it should pass on: a token `4`, `007` or `3e50` arrives as a JSON number, a whole answer that
happens to be valid JSON as an object. `parse` is quick and gives plain values; `parse_exactly` keeps each number as it
was written, and `text_of` writes a value back as the text it was.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import pydantic_core

MAX_DEPTH = 200
"""Of lists and objects in each other; what is nested deeper could be parsed, but not be written, shown or copied."""
_FENCE = re.compile(r"```(?:json)?(.*?)```", re.DOTALL)  # blanks around it would take cubic time
_OPENING = re.compile(r"[{\[]")


class InvalidJSON(Exception):  # noqa: N818 - it is the finding, not yet an error of a call
    """The bytes are not JSON, or nested deeper than any answer is."""


class Lexeme(str):
    """A number as it was written."""

    __slots__ = ()


def parse(data: bytes | str, *, strict: bool = False) -> Any:
    """Plain values of JSON text.

    Args:
        data: The text.
        strict: Refuse NaN and Infinity, which are no JSON, though Python writes and reads them.

    Raises:
        InvalidJSON: it is none.
    """
    try:
        return pydantic_core.from_json(data, allow_inf_nan=not strict, cache_strings="keys")  # texts never come twice
    except (ValueError, TypeError):  # lone surrogates and huge integers are no JSON to it, but they come
        return _parse(data, _STRICTLY if strict else _DEFAULT)


def parse_exactly(data: bytes | str) -> Any:
    """Like `parse`, with every number as a `Lexeme`.

    Raises:
        InvalidJSON: it is no JSON.
    """
    return _parse(data, _EXACTLY)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> int | Lexeme:
    try:
        return int(digits)
    except ValueError:  # Python converts no more than 4,300 digits, and an answer may have 6,000
        return Lexeme(digits)


_DEFAULT = json.JSONDecoder(parse_int=_integer)
_STRICTLY = json.JSONDecoder(parse_int=_integer, parse_constant=_no_number)
_EXACTLY = json.JSONDecoder(parse_int=Lexeme, parse_float=Lexeme, parse_constant=Lexeme)  # `loads` makes one each time


def _parse(data: bytes | str, decoder: json.JSONDecoder) -> Any:
    try:
        value = decoder.decode(text := data if isinstance(data, str) else _decoded(data))
    except (ValueError, RecursionError) as error:
        raise InvalidJSON(str(error)) from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
        raise InvalidJSON(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _decoded(data: bytes) -> str:
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:  # as an event stream is decoded: the rest of the text must not be lost with it
        return data.decode(encoding, "replace")


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for parent in level for item in _items(parent) if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def without_fence(text: str) -> str:
    """The JSON in an answer that should be nothing else, but has words or a fence around it; else `text` itself.

    Nothing is mended: of JSON that was cut off no part is taken for the whole.
    """
    for candidate in (text, *map(str.strip, _FENCE.findall(text)), _bracketed(text)):
        try:
            parse(candidate)
        except InvalidJSON:
            continue
        return str(candidate)
    return text


def _bracketed(text: str) -> str:
    """From the first bracket to the last that could close it."""
    opening = _OPENING.search(text)
    return text[opening.start() : text.rfind("}" if opening[0] == "{" else "]") + 1] if opening else ""


def text_of(value: Any) -> str:
    """The text that a value of `parse_exactly` was parsed from; None is no text."""
    if value is None or isinstance(value, str):
        return str(value or "")
    return dumps_exactly(value)


def to_python(value: Any) -> Any:
    """The plain value of one of `parse_exactly`."""
    match value:
        case Lexeme():
            return _DEFAULT.decode(value)
        case dict():
            return {key: to_python(item) for key, item in value.items()}
        case list():
            return [to_python(item) for item in value]
        case _:
            return value


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """JSON text of plain values; numbers that JSON does not have are written as the text "NaN" or "Infinity".

    Args:
        value: Dicts, lists, texts, numbers, booleans and None.
        default: What makes one of these of anything else; a `TypeError` is raised without it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=default)


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return json.dumps(value)
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def dumps_exactly(value: Any) -> str:
    """JSON text of a value of `parse_exactly`, with its numbers as they were."""
    match value:
        case Lexeme():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_quoted(key)}: {dumps_exactly(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(dumps_exactly, value)) + "]"
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


_quoted = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` makes one for each text
