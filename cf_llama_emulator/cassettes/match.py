"""Matches requests by meaning, and shows where two of them differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from cf_llama_emulator.cassettes.scrub import PLACEHOLDER

_API = re.compile(r"(?:.*?/)?accounts/(?P<account>[^/]+)(?P<rest>/.*)?", re.DOTALL)
_GATEWAY = re.compile(r"(?:.*?/)?v1/(?P<account>[^/]+)(?P<rest>/[^/]+/workers-ai(?:/.*)?)", re.DOTALL)
_SHOWN = 60
"""Characters of a value that a difference shows."""


def route_of(path: str, query: str = "") -> tuple[str, str | None]:
    """Return the route of a path, percent-encoded or not, and the account id that it named.

    What comes before `accounts/` belongs to the base URL and is left out; so is the order of the query.
    """
    path, account = unquote(path), None
    for form, beginning in ((_API, "accounts"), (_GATEWAY, "v1")):
        if match := form.fullmatch(path):
            account, path = match["account"], f"{beginning}/<account>{match['rest'] or ''}"
            break
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    written = "&".join(f"{_readable(name)}={_readable(value)}" for name, value in pairs)
    return path.lstrip("/") + (f"?{written}" if written else ""), account


def _readable(text: str) -> str:
    """Return a name or value of a query with only those characters encoded that would end it."""
    return re.sub(r"[%&=#+\s]", lambda match: quote(match[0]), text)


def normalised(content: bytes) -> Any:
    """Return what a request's body means: JSON with sorted keys, a text where it is none, None where there is none.

    Ids of tool calls are left out, and JSON text in their arguments is written in one way.
    """
    if not content:
        return None
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value = None
    return _meaning(value) if isinstance(value, dict | list) else content.decode("utf-8", "backslashreplace")


def is_same(recorded: Any, request: Any) -> bool:
    """Whether two normalised bodies, or routes, are the same; what was scrubbed from the recorded may be any text."""
    return next(_differences(recorded, request, ""), None) is None


def differences(recorded: Any, request: Any) -> list[str]:
    """Return where two normalised bodies differ, one short text for each place."""
    return list(_differences(recorded, request, ""))


def _differences(recorded: Any, request: Any, at: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(request, dict):
        for key in sorted({*recorded, *request}):
            place = f"{at}.{key}" if at else str(key)
            if key not in recorded:
                yield f"{place} is new: {_short(request[key])}"
            elif key not in request:
                yield f"{place} is missing: {_short(recorded[key])}"
            else:
                yield from _differences(recorded[key], request[key], place)
    elif isinstance(recorded, list) and isinstance(request, list):
        for position, (old, new) in enumerate(zip(recorded, request, strict=False)):
            yield from _differences(old, new, f"{at}[{position}]")
        if len(recorded) != len(request):
            yield f"{at or 'body'} has {len(request)} entries, recorded {len(recorded)}"
    elif not _is_same_leaf(recorded, request):
        old, new = _apart(recorded, request)
        yield f"{at or 'body'}: recorded {old}, asked {new}"


def _is_same_leaf(recorded: Any, request: Any) -> bool:
    if isinstance(recorded, str) and PLACEHOLDER.search(recorded) and isinstance(request, str | int | float):
        parts = map(re.escape, PLACEHOLDER.split(recorded))
        return re.fullmatch(".*".join(parts), str(request), re.DOTALL) is not None
    return isinstance(recorded, bool) == isinstance(request, bool) and bool(recorded == request)


def _apart(recorded: Any, request: Any) -> tuple[str, str]:
    """Return two values, shortened so that the first character in which two texts differ is shown."""
    if not (isinstance(recorded, str) and isinstance(request, str)):
        return _short(recorded), _short(request)
    common = next((at for at, (a, b) in enumerate(zip(recorded, request, strict=False)) if a != b), None)
    begin = max((min(len(recorded), len(request)) if common is None else common) - _SHOWN // 2, 0)
    return _short(recorded[begin:], cut=begin > 0), _short(request[begin:], cut=begin > 0)


def _short(value: Any, *, cut: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False)
    text = text[0] + "…" + text[1:] if cut else text
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _meaning(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: [*map(_message, value[key])]
            if key == "messages" and isinstance(value[key], list)
            else _meaning(value[key])
            for key in sorted(value)
        }
    return [*map(_meaning, value)] if isinstance(value, list) else value


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return _meaning(message)
    kept = {key: value for key, value in message.items() if key != "tool_call_id"}
    if isinstance(calls := kept.get("tool_calls"), list):
        kept["tool_calls"] = [*map(_call, calls)]
    return _meaning(kept)


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    kept = {key: value for key, value in call.items() if key != "id"}
    if isinstance(kept.get("function"), dict):
        kept["function"] = _with_plain_arguments(kept["function"])
    return _with_plain_arguments(kept)


def _with_plain_arguments(function: dict[str, Any]) -> dict[str, Any]:
    """Return a call whose arguments, if they are JSON text, have sorted keys and no whitespace around them."""
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return function
    try:
        value = json.loads(arguments, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return function
    return function | {"arguments": json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
