"""Validates a request body: JSON, then the model page's own schema, then the context window."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # the package ships no type information
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped] # as above
from jsonschema.validators import extend  # type: ignore[import-untyped] # as above

from cf_llama_emulator.wire.engine_protocol import EngineRequest
from cf_llama_emulator.wire.errors import ServiceError, bad_input
from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW, estimate_input

FORMS = ("prompt", "messages")
"""The first branches of the page's schema, each named by the key that it requires."""

_BRANCHES = (*FORMS, "requests")
"""All of them; the last is the batch."""

_PROPERTY = {
    "type": "object",
    "properties": {"type": {"type": ["string", "array"]}, "description": {"type": "string"}},
}
_FUNCTION = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "parameters": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "properties": {"type": "object", "additionalProperties": _PROPERTY},
                "required": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
    "required": ["name"],
}
_TOOL = {
    "type": "object",
    "anyOf": [
        _FUNCTION | {"not": {"required": ["function"]}},
        {"properties": {"type": {"type": "string"}, "function": _FUNCTION}, "required": ["type", "function"]},
    ],
}
"""A tool as the service takes it. The page also requires descriptions, parameters and each property's type as text,
but public clients leave these out, and no refusal of it is recorded."""

_JSON_TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def parse_body(raw: bytes) -> dict[str, Any]:
    """Return the body as a dict.

    Raises:
        ServiceError: 400/3003 for an empty body, 400/5006 for anything that is no JSON object.
    """
    if not raw.strip():
        raise ServiceError(400, 3003, "Incomplete request: no body")
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise bad_input("the request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise bad_input(_mismatch("/", "object", body))
    return body


def check_schema(body: Mapping[str, Any], forms: Iterable[str] = FORMS, *, strict_tools: bool = False) -> str:
    """Return which of `forms` the body meets; refuse with 400/5006 one that meets none or several.

    `strict_tools` holds tools to the letter of the page's schema. The wording is the service's: the first failure of
    each form, properties before required keys, equal texts once.
    """
    return matching_form(body, {form: _validator(form, strict_tools=strict_tools) for form in forms})


def matching_form(body: Mapping[str, Any], validators: Mapping[str, Draft202012Validator]) -> str:
    """Return which of some forms the body meets; refuse with 400/5006 one that meets none or several."""
    failures = {form: next(map(_text, validator.iter_errors(body)), None) for form, validator in validators.items()}
    matches = [form for form, failure in failures.items() if failure is None]
    if len(matches) == 1:
        return matches[0]
    raise bad_input(_one_of("/", len(matches), filter(None, failures.values())))


def check_context(request: EngineRequest, window: int = CONTEXT_WINDOW) -> None:
    """Refuse with 413/5021 what would not fit into the context window, by the estimate of `tokens`."""
    needed = estimate_input(request) + request.max_tokens
    if needed > window:
        raise ServiceError(
            413,
            5021,
            f"The estimated number of input and maximum output tokens ({needed}) "
            f"exceeded this model context window limit ({window}).",
        )


# On the wire 1.0 is no integer, whatever JSON Schema says; true is no number in either.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _, value: type(value) is int,
        "number": lambda _, value: type(value) in (int, float),
    }
)
_Validator = extend(Draft202012Validator, type_checker=_TYPES)


def validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator of a JSON schema that reads numbers as the service does."""
    return _Validator(schema)


_PAGE = files(__package__).joinpath("model_schema.json").read_text("utf-8")  # now, as no request may wait for a file


@cache
def _validator(form: str, *, strict_tools: bool) -> Draft202012Validator:
    page = json.loads(_PAGE)
    schema = page["oneOf"][_BRANCHES.index(form)]
    if "tools" in schema["properties"] and not strict_tools:
        schema["properties"]["tools"]["items"] = _TOOL
    return validator_of(schema)


def _text(error: ValidationError) -> str:
    """Say in the service's words what jsonschema found."""
    where, limit = "/" + "/".join(map(str, error.absolute_path)), error.validator_value
    match error.validator:
        case "type":
            return _mismatch(where, limit if isinstance(limit, str) else limit[0], error.instance)
        case "required":
            return f"required properties at '{where}' are '{','.join(limit)}'"
        case "minimum":
            return f"'{where}' must be >= {limit}"
        case "maximum":
            return f"'{where}' must be <= {limit}"
        case "minLength" | "minItems":
            return f"Length of '{where}' must be >= {limit}"
        case "maxItems":
            return f"Length of '{where}' must be <= {limit}"
        case "enum":
            return f"'{where}' must be one of '{','.join(limit)}'"
        case "not":
            return f"'{where}' must not have '{','.join(limit['required'])}'"
        case _:
            branches: dict[int, str] = {}
            for inner in error.context or ():
                branches.setdefault(inner.schema_path[0], _text(inner))
            return _one_of(where, len(limit) - len(branches), branches.values())


def _one_of(where: str, matches: int, texts: Iterable[str]) -> str:
    found = ", ".join(dict.fromkeys(texts)) if matches == 0 else ""
    return f"oneOf at '{where}' not met, {matches} matches" + (f": {found}" if found else "")


def _mismatch(where: str, expected: str, value: Any) -> str:
    return f"Type mismatch of '{where}', '{expected}' not in '{_JSON_TYPES[type(value)]}'"


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
