"""Finds tool calls that the model wrote as text, as Llama models sometimes do.

They are taken for calls only when the whole text is nothing but calls of tools that were offered: an answer that
merely talks about a call, or JSON for its own sake, stays text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from cf_llama.protocol import json_values

_FENCE = re.compile(r"```(?:json|python)?(.*?)```", re.DOTALL)  # blanks around it would take cubic time
_FENCED = re.compile(r"```(?:json|python)?\s*")
_FENCES = ("```json", "```python")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[\w.-]*", re.ASCII)  # as names of tools are
_FIRST_KEYS = ('"name"', '"type"', '"function"', '"parameters"', '"arguments"', '"id"')


class TextToolCall(NamedTuple):
    """A call found in text; `arguments` is JSON."""

    name: str
    arguments: str


def may_become_call(text: str, names: Collection[str]) -> bool | None:
    """Whether text that begins like this may turn out to be a call; None while it is too short to tell.

    JSON tells by its first key: other objects are answers, and need not wait for their end.
    """
    start = text.lstrip()
    if any(fence.startswith(start) for fence in _FENCES):
        return None
    start = _FENCED.sub("", start, count=1)
    start = start[1:].lstrip() if start.startswith("[") else start
    if start.startswith("{"):
        return _begins_with_any(start[1:].lstrip(), _FIRST_KEYS)
    return _begins_python_call(start, names)


def _begins_python_call(text: str, names: Collection[str]) -> bool | None:
    word = _WORD.match(text)[0]  # type: ignore[index] # it matches everywhere
    if len(word) < len(text):
        return text[len(word)] == "(" and (word in names or word.removesuffix(".call") in names)
    return None if any(f"{name}.call".startswith(word) for name in names) else False


def _begins_with_any(text: str, openings: Collection[str]) -> bool | None:
    """Whether text begins with one of these; None if it ends before that is certain."""
    if any(text.startswith(opening) for opening in openings):
        return True
    return None if any(opening.startswith(text) for opening in openings) else False


def parse_calls(text: str, names: Collection[str]) -> list[TextToolCall]:
    """The calls that `text` consists of; empty where it is anything else."""
    text = text.strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    calls = list(_json_calls(text)) or list(_python_calls(text))
    return [call for call in calls if call] if all(call and call.name in names for call in calls) else []


def _json_calls(text: str) -> Iterator[TextToolCall | None]:
    try:
        value = json_values.parse_exactly(text)
    except json_values.InvalidJSON:
        return
    for item in value if isinstance(value, list) else [value]:
        yield _json_call(item)


def _json_call(item: Any) -> TextToolCall | None:
    if not isinstance(item, Mapping):
        return None
    function = item.get("function", item)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return None
    beside = {key: value for key, value in function.items() if key not in {"name", "type", "id"}}
    arguments = function.get("arguments", function.get("parameters", beside))
    return TextToolCall(str(function["name"]), json_values.text_of(arguments))


def _python_calls(text: str) -> Iterator[TextToolCall | None]:
    """The form of Meta's own prompt format: `[f(a=1), g(b="x")]`, or `f.call(a=1)` for built-in tools."""
    try:
        tree = ast.parse(text, mode="eval").body
        lines = text.encode().splitlines()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in tree.elts if isinstance(tree, ast.List) else [tree]:
        yield _python_call(node, lines)


def _python_call(node: ast.expr, lines: list[bytes]) -> TextToolCall | None:
    if not isinstance(node, ast.Call) or node.args or not all(keyword.arg for keyword in node.keywords):
        return None
    function = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "call" else node.func
    try:
        arguments = {str(keyword.arg): _literal(keyword.value, lines) for keyword in node.keywords}
        return TextToolCall(ast.unparse(function), json_values.dumps_exactly(arguments))
    except (ValueError, TypeError, RecursionError):
        return None


def _literal(node: ast.expr, lines: list[bytes]) -> Any:
    """The value of a literal, with its numbers as they are written where JSON writes them so, too."""
    match node:
        case ast.Dict(keys=keys, values=values) if None not in keys:
            names = (str(ast.literal_eval(key)) for key in keys if key)
            return {name: _literal(value, lines) for name, value in zip(names, values, strict=True)}
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item, lines) for item in items]
    value = ast.literal_eval(node)
    if not isinstance(value, float):
        return value
    written = lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()
    return json_values.Lexeme(written) if _NUMBER.fullmatch(written) else value
