"""Turns of a script as JSON, for programs in other languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # the package ships no type information

from cf_llama_emulator.engines.script import Part, Turn
from cf_llama_emulator.faults.codes import error_of
from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Raw
from cf_llama_emulator.wire.errors import ServiceError

_COUNT = {"type": ["integer", "null"], "minimum": 0}
_STATUS = {"type": "integer", "minimum": 200, "maximum": 599}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_SCHEMAS: dict[str, dict[str, Any]] = {
    "call": _object(
        "name",
        name={"type": "string"},
        arguments={"type": ["object", "string", "null"]},
        id={"type": ["string", "null"]},
    ),
    "end": _object(finish_reason={"type": "string"}, prompt_tokens=_COUNT, completion_tokens=_COUNT),
    "error": {
        **_object("status", "code", "text", status=_STATUS, code={"type": "integer"}, text={"type": "string"}),
        "type": ["integer", "object"],
    },
    "faults": {"type": "string"},
    "raw": _object(
        status=_STATUS,
        headers={"type": "object", "additionalProperties": {"type": "string", "pattern": "^[ -~]*$"}},
        chunks={"type": "array", "items": {"type": "string"}},
        pause={"type": "number", "minimum": 0, "maximum": 600},
        cut={"type": "boolean"},
    ),
}
"""The JSON schema of each kind of part that is not a text."""


def _error(value: Any) -> ServiceError:
    return ServiceError(value["status"], value["code"], value["text"]) if isinstance(value, dict) else error_of(value)


def _raw(value: Any) -> Raw:
    return Raw(**value | {"chunks": [chunk.encode() for chunk in value.get("chunks", ())]})


_MAKE: dict[str, Callable[[Any], Part]] = {
    "call": lambda value: Call(**{"arguments": {}} | value),
    "end": lambda value: End(**value),
    "error": _error,
    "faults": Faults,
    "raw": _raw,
}


def read_turns(turns: Any) -> list[Turn]:
    """Return the turns that a JSON value describes.

    A turn is a part or a list of parts. A part is a text, or an object with one of these keys: `call` (`name`,
    `arguments`, `id`), `faults` (a text), `error` (a code of the service, or `status`, `code` and `text`), `end`
    (`finish_reason`, `prompt_tokens`, `completion_tokens`) and `raw` (`status`, `headers`, `chunks`, `pause` in
    seconds, `cut`). They become the values of these names that `ScriptEngine.say` takes.

    Raises:
        ValueError: anything else; the message names the place.
    """
    if not isinstance(turns, list):
        raise ValueError("turns must be a list, with one answer for each request")  # noqa: TRY004 - of JSON
    return [_turn(turn, f"turns[{position}]") for position, turn in enumerate(turns)]


def _turn(turn: Any, place: str) -> Turn:
    if isinstance(turn, list):
        return [_part(part, f"{place}[{position}]") for position, part in enumerate(turn)]
    return _part(turn, place)


def _part(part: Any, place: str) -> Part:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or len(part) != 1 or not part.keys() <= _SCHEMAS.keys():
        raise ValueError(f"{place} must be a text, or an object with one of the keys {', '.join(_SCHEMAS)}")
    [(kind, value)] = part.items()
    error = next(Draft202012Validator(_SCHEMAS[kind]).iter_errors(value), None)
    if error is not None:
        where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.absolute_path)
        raise ValueError(f"{place}.{kind}{where}: {error.message}")
    return _MAKE[kind](value)
