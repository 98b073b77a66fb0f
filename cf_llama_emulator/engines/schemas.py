"""Which JSON an answer has to be, read from the request or from the conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cf_llama_emulator.engines.base import Ask
from cf_llama_emulator.engines.conversation import Conversation

_NAMED_KEYS = re.compile(r"['\"`](\w+)['\"`](?=[^.\n]*\bkeys?\b)|(?<=\bkeys )['\"`]?(\w+)['\"`]?", re.IGNORECASE)
_OBJECTS_TRIED = 100
"""Braces looked at in a text before giving up: a document may be full of them."""


def requested_schema(ask: Ask, talk: Conversation) -> Mapping[str, Any] | None:
    """Return the schema that the answer must meet, or None where text is wanted."""
    wanted = ask.response_format
    if wanted is not None and wanted["type"] == "json_schema":
        schema = wanted["json_schema"]
        return schema if isinstance(schema, Mapping) else {}
    written = [*_schemas(talk.system), *_schemas(talk.last_user)]
    if written:
        return written[-1]
    if wanted is None:
        return None
    keys = [one or other for one, other in _NAMED_KEYS.findall(f"{talk.system}\n{talk.last_user}")]
    return object_of_strings(dict.fromkeys(keys) or {"answer": None})


def object_of_strings(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with these keys."""
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": [*names]}


def _schemas(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON schemas of objects that a text contains."""
    decoder, at = json.JSONDecoder(), text.find("{")
    for _ in range(_OBJECTS_TRIED):
        if at < 0:
            return
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(found.get("properties"), dict):
                yield found
        at = text.find("{", end)
