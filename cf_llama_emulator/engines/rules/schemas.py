"""Which JSON an answer has to be, read from the request or from the conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cf_llama_emulator.engines.rules.conversation import Conversation
from cf_llama_emulator.wire.engine_protocol import EngineRequest

_QUOTED_KEYS = re.compile(r"['\"`](\w{1,64})['\"`](?=[^.\n]{0,200}\b(?:keys?|fields?)\b)", re.IGNORECASE)
_LISTED_KEYS = re.compile(r"\b(?:keys|fields):? +([^.\n]{1,200})", re.IGNORECASE)
_OBJECTS_TRIED = 100
"""Braces looked at in a text before giving up: a document may be full of them."""


def requested_schema(request: EngineRequest, talk: Conversation) -> tuple[Mapping[str, Any], str] | None:
    """Return the schema the answer must meet and the words to fill it with, or None if the request asks for text.

    Without `response_format` a schema counts that the conversation spells out as a "JSON schema".
    """
    response_format = request.response_format
    if response_format is not None and response_format["type"] == "json_schema":
        schema = response_format["json_schema"]
        return (schema if isinstance(schema, Mapping) else {}), talk.last_user
    for text in (talk.last_user, talk.system):
        if response_format is not None or "json schema" in text.lower():
            written = list(_schemas(text))
            if written:
                schema, source = written[-1]
                return schema, talk.last_user.replace(source, " ").strip()
    if response_format is None:
        return None
    return object_of_strings(_named_keys(talk) or ["answer"]), talk.last_user


def object_of_strings(names: Iterable[str]) -> dict[str, Any]:
    """Return the schema of an object with these keys."""
    names = list(names)
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


def _named_keys(talk: Conversation) -> list[str]:
    """Return the keys that a text names: `'a' and 'b' keys`, or `keys a, b and c`."""
    text = f"{talk.system}\n{talk.last_user}"
    quoted = _QUOTED_KEYS.findall(text)
    listed = _LISTED_KEYS.search(text)
    words = re.findall(r"\w+", listed[1]) if listed and not quoted else quoted
    return [word for word in dict.fromkeys(words) if word != "and"]


def _schemas(text: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the JSON schemas of objects that a text contains, each with its source."""
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
                yield found, text[at:end]
        at = text.find("{", end)
