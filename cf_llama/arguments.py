"""Arguments of a tool call: from the text that the model wrote to the object that the tool's schema asks for.

The model writes "4" where the schema says integer and "null" where it says optional. Such values are brought to the
declared type; text that is no JSON object is reported as it is and never mended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cf_llama import json_text
from cf_llama.reply import ToolCall
from cf_llama.text_filter import whole

_NULLS = {"null", "None"}
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
"""Of a character in two halves, one of which may be missing: such text can be sent to nobody."""
_ABSENT = object()


def tool_call(call_id: str, name: str, text: str, parameters: Mapping[str, Any] | None) -> ToolCall:
    """The call that `text` asks for.

    Args:
        call_id: Its id.
        name: The tool's name.
        text: The arguments as the model wrote them; nothing and `null` mean none.
        parameters: The tool's schema without references; None where the tool was not offered.
    """
    text = whole(text)
    if text.strip() in {"", *_NULLS}:
        text = "{}"
    try:
        written = json_text.parse(text)
        if _HALF_ESCAPED.search(text):
            text = whole(json.dumps(written, ensure_ascii=False))
            written = json_text.parse(text)
    except json_text.BadJSON as error:
        return ToolCall(call_id, name, text=text, error=f"the arguments are not valid JSON: {error}")
    if not isinstance(written, dict):
        return ToolCall(call_id, name, text=text, error="the arguments are no JSON object")
    arguments = _object(written, parameters) if parameters else written
    same = arguments == written and repr(arguments) == repr(written)  # 1 == True in Python, not in JSON
    return ToolCall(call_id, name, arguments, text if same else json.dumps(arguments, ensure_ascii=False))


INVALID = "invalid_json"
"""The name under which text stands that was meant to be arguments."""


def object_of(text: str) -> dict[str, Any]:
    """Arguments of a call in the history, as an object.

    The service refuses a history whose arguments are no JSON, and a call must not run with fewer arguments than were
    written. So text that is no object becomes the one argument `INVALID`, which no tool takes.
    """
    call = tool_call("", "", text, None)
    return {INVALID: text, "error": call.error} if call.error else dict(call.arguments)


def _object(written: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    typed = {
        name: _value(value, properties[name], optional=name not in required) if name in properties else value
        for name, value in written.items()
    }
    absent = {name: None for name in required - written.keys() if properties.get(name, {}).get("nullable")}
    return {name: value for name, value in typed.items() if value is not _ABSENT} | absent


def _value(value: Any, schema: Any, *, optional: bool = False) -> Any:
    if not isinstance(schema, Mapping):
        return value
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return _branch(value, branches)
    kind = schema.get("type")
    if value is None or (isinstance(value, str) and value in _NULLS and (kind != "string" or schema.get("nullable"))):
        return _null(value, nullable=bool(schema.get("nullable")), optional=optional)
    if kind == "object" and isinstance(value := _decoded(value, dict), dict):
        return _object(value, schema)
    if kind == "array" and isinstance(value := _decoded(value, list), list):
        return [_value(item, schema.get("items")) for item in value]
    return _SCALARS.get(str(kind), _as_written)(value)


def _null(value: Any, *, nullable: bool, optional: bool) -> Any:
    """Null where the schema admits it; left out where the parameter may be left out; otherwise as written."""
    if nullable:
        return None
    return _ABSENT if optional else value


def _branch(value: Any, branches: Any) -> Any:
    """The first branch of a union that the value fits as it is, else the first that it can be brought to."""
    kinds = [branch for branch in branches if isinstance(branch, Mapping)]
    fitting = [branch for branch in kinds if _fits(value, branch.get("type"))]
    candidates = (_value(value, branch) for branch in fitting or kinds)
    return next((new for new in candidates if fitting or new is not value), value)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return bool(kind == "boolean")
    python = {"string": str, "integer": int, "number": int | float, "object": dict, "array": list, "null": type(None)}
    return isinstance(value, python.get(str(kind), ()))


def _decoded(value: Any, kind: type) -> Any:
    """JSON text where an object or a list belongs."""
    if not isinstance(value, str):
        return value
    try:
        decoded = json_text.parse(value)
    except json_text.BadJSON:
        return value
    return decoded if isinstance(decoded, kind) else value


def _as_written(value: Any) -> Any:
    return value


def _integer(value: Any) -> Any:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        number = json_text.parse(value.strip())
    except json_text.BadJSON:
        return value
    return number if isinstance(number, int | float) and not isinstance(number, bool) else value


def _boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _string(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
}
