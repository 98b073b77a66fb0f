"""Faults in what the service takes: reports differ on how strictly it reads a request.

Each is a pure change of the request's body before it is checked; some refuse it instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cf_llama_emulator.faults.kinds import Fault, OnBody
from cf_llama_emulator.faults.values import OneOf
from cf_llama_emulator.wire.errors import ServiceError, bad_input, invalid_input
from cf_llama_emulator.wire.validation import check_schema

Body = dict[str, Any]


def _with_messages(body: Body, change: Callable[[Mapping[str, Any]], Any]) -> Body:
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    return body | {"messages": [change(each) if isinstance(each, Mapping) else each for each in messages]}


def _content_as_text(body: Body, _: None) -> Body:
    return _with_messages(body, lambda message: {**message, "content": _text(message.get("content"))})


def _text(content: Any) -> Any:
    if not isinstance(content, list):
        return "" if content is None else content
    texts = [part.get("text") for part in content if isinstance(part, Mapping)]
    spoken = [text for text in texts if isinstance(text, str)]
    return "\n".join(spoken) if len(spoken) == len(content) else content


def _calls(body: Body) -> Iterator[Mapping[str, Any]]:
    messages = _mappings(body.get("messages"))
    return (call for message in messages for call in _mappings(message.get("tool_calls")))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _arguments_as_text_alone(body: Body, _: None) -> Body:
    for call in _calls(body):
        function = call.get("function", call)
        if isinstance(function, Mapping) and isinstance(function.get("arguments"), Mapping):
            raise invalid_input("arguments of a tool call must be text")
    return body


def _any_range(body: Body, _: None) -> Body:
    return {key: value for key, value in body.items() if not _is_number(value) or _fits({key: value})}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(parameter: Mapping[str, Any]) -> bool:
    try:
        check_schema({"prompt": "-", **parameter}, ["prompt"])
    except ServiceError:
        return False
    return True


def _values_from_text(body: Body, _: None) -> Body:
    """Turn text that is a number or a boolean into it, where the schema wants no text."""
    return {key: value if _fits({key: value}) else _value(value) for key, value in body.items()}


def _value(text: Any) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) else text


def _tool_choice(body: Body, how: str) -> Body:
    if how == "refused" and "tool_choice" in body:
        raise invalid_input("tool_choice is not supported")
    return {key: value for key, value in body.items() if key != "tool_choice"}


def _bare_schema(body: Body, _: None) -> Body:
    response_format = body.get("response_format")
    schema = response_format.get("json_schema") if isinstance(response_format, Mapping) else None
    if isinstance(schema, Mapping) and "schema" in schema:
        raise bad_input("'/response_format/json_schema' is no JSON Schema")
    return body


def _strict_tools(body: Body, _: str) -> Body:
    if "tools" in body and "prompt" not in body:
        check_schema(body, strict_tools=True)
    return body


def _prompt_alone(body: Body, _: None) -> Body:
    if "messages" in body and not body.keys().isdisjoint({"raw", "lora"}):
        raise bad_input("raw and lora go with a prompt alone")
    return body


NOTES, REPORTED = "Cloudflare's release notes, contradicted by recorded refusals", "reports of users"

REQUEST_FAULTS: tuple[Fault, ...] = (
    OnBody(
        "takes-content",
        "takes messages whose content is null, absent or a list of texts",
        NOTES,
        change=_content_as_text,
    ),
    OnBody("takes-any-range", "ignores parameters out of their range", "made up", change=_any_range),
    OnBody(
        "takes-text",
        "takes numbers and booleans that are written as text",
        "a sample in Cloudflare's docs: fine-tunes",
        change=_values_from_text,
    ),
    OnBody(
        "text-arguments",
        "refuses calls in the history whose arguments are an object (8001)",
        REPORTED,
        change=_arguments_as_text_alone,
    ),
    OnBody(
        "tool-choice",
        "ignores tool_choice, or refuses it (8001)",
        REPORTED,
        OneOf(("ignored", "refused")),
        change=_tool_choice,
    ),
    OnBody(
        "prompt-alone",
        "refuses raw and lora beside messages (5006)",
        "Cloudflare docs: fine-tunes; the schema names lora beside a prompt only",
        change=_prompt_alone,
    ),
    OnBody(
        "bare-schema",
        "refuses OpenAI's wrapper around a JSON schema (5006)",
        "Cloudflare docs: JSON mode",
        change=_bare_schema,
    ),
    OnBody(
        "tools",
        "holds tools to the letter of the page's schema: descriptions, parameters, a type for each property (5006)",
        "Cloudflare docs: the model's page; no refusal of it is recorded",
        OneOf(("strict",)),
        change=_strict_tools,
    ),
)
