"""Converts a validated request body to an `EngineRequest`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cf_llama_emulator.wire.engine_protocol import EngineRequest, Tool
from cf_llama_emulator.wire.errors import ServiceError, invalid_input

DEFAULT_MAX_TOKENS = 256
"""The service's own default (Workers AI model page)."""

SAMPLING_KEYS = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
)


def parse_request(model: str, body: Mapping[str, Any], form: str = "messages") -> EngineRequest:
    """Return what `body` asks of `model`, in the form that it was found to meet.

    Keys outside that form's schema are ignored, as on the service.

    Raises:
        ServiceError: 400/8001 for a tool choice or a call in the history that the model's backend refuses.
    """
    common = EngineRequest(
        model=model,
        raw=body.get("raw", False),
        response_format=_response_format(body.get("response_format")),
        max_tokens=body.get("max_tokens", DEFAULT_MAX_TOKENS),
        sampling={key: body[key] for key in SAMPLING_KEYS if key in body},
    )
    if form == "prompt":
        return replace(common, prompt=body["prompt"])
    _check_history(body["messages"])
    tools = tuple(map(_tool, body.get("tools", ())))
    choice = _tool_choice(body.get("tool_choice"), tools) if tools else None
    return replace(common, messages=tuple(body["messages"]), tools=tools, tool_choice=choice)


def stop_words(body: Mapping[str, Any]) -> list[str]:
    """Return the words of `stop`: one text, or a list of them; anything else is none."""
    stop = body.get("stop")
    words = stop if isinstance(stop, list) else [stop]
    return [word for word in words if isinstance(word, str) and word]


def check_json_stream(body: Mapping[str, Any]) -> None:
    """Refuse a JSON schema on a streamed request, with the service's 5023."""
    if body.get("stream") and body.get("response_format", {}).get("type") == "json_schema":
        raise ServiceError(400, 5023, "JSON Schema mode is not supported with stream mode.")


def _tool(entry: Mapping[str, Any]) -> Tool:
    function = entry.get("function", entry)
    return Tool(function["name"], function.get("description", ""), function.get("parameters", {}))


def _tool_choice(choice: Any, tools: Iterable[Tool]) -> str | None:
    """Read `tool_choice`: not in the schema, yet honoured by the backend when it has one of OpenAI's forms."""
    if choice in (None, "auto", "none", "required"):
        return None if choice == "auto" else choice
    try:
        name = choice["function"]["name"]
    except (TypeError, KeyError, IndexError):
        raise invalid_input(f"tool_choice {json.dumps(choice)} is not known") from None
    if name not in [tool.name for tool in tools]:
        raise invalid_input(f"tool_choice names {json.dumps(name)}, which is not among the tools")
    return str(name)


def _response_format(response_format: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the format with a bare schema; OpenAI's `{"name", "schema"}` around it is taken off."""
    if response_format is None or response_format.get("type") not in ("json_object", "json_schema"):
        return None
    if response_format["type"] == "json_object":
        return {"type": "json_object"}
    schema = response_format.get("json_schema", {})
    if isinstance(schema, dict) and "name" in schema and isinstance(schema.get("schema"), dict):
        schema = schema["schema"]
    return {"type": "json_schema", "json_schema": schema}


def _check_history(messages: Iterable[Mapping[str, Any]]) -> None:
    """Refuse calls in the history that the model's template could not repeat.

    Arguments that are text but no JSON are answered with 400 (a report on the OpenAI-compatible route).
    """
    for position, message in enumerate(messages):
        calls = message.get("tool_calls")
        if calls is not None and not (isinstance(calls, list) and all(map(_is_call, calls))):
            raise invalid_input(f"messages[{position}].tool_calls is not a list of calls with names")
        for call in calls or ():
            arguments = call.get("function", call).get("arguments")
            if isinstance(arguments, str) and not _is_json(arguments):
                raise invalid_input(f"messages[{position}]: arguments of a tool call are not JSON")


def _is_call(call: Any) -> bool:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    named = isinstance(function, Mapping) and isinstance(function.get("name"), str)
    return named and isinstance(call.get("id", ""), str | None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
