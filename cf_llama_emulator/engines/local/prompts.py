"""Converts an `EngineRequest` to request bodies of llama.cpp's server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cf_llama_emulator.wire.engine_protocol import EngineRequest, Tool

DEFAULT_TEMPERATURE = 0.6
"""The service's own default (Workers AI model page)."""

REPEATED_QUESTION = 400
"""Characters: a longer question is not said again after the results."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A tool call of the conversation so far, and its result."""

    name: str
    arguments: Mapping[str, Any]
    result: str

    def __str__(self) -> str:
        arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.arguments.items())
        return f"Result of {self.name}({arguments}):\n{self.result}"


def completion_body(request: EngineRequest) -> dict[str, Any]:
    """Return the body that continues a raw prompt."""
    bound = {} if request.response_format is None else {"json_schema": _answer_schema(request.response_format)}
    return {"prompt": request.prompt, **bound, **_common(request)}


def answer_body(request: EngineRequest) -> dict[str, Any]:
    """Return the body that asks for words, or for JSON where the request has a response format."""
    if request.response_format is None:
        return {"messages": turns(request), **_common(request)}
    schema = _answer_schema(request.response_format)
    return _bound({"messages": _with_schema(turns(request), schema), **_common(request)}, schema)


def tools_body(
    request: EngineRequest, tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body that shows `tools` in the model's own template; `schema` binds what it writes."""
    # "none" still shows the tools to the model but leaves its text alone: it is read here, not by llama.cpp,
    # which finds no calls in what these models write.
    shown = {"tools": [_wire_tool(tool) for tool in tools], "tool_choice": "none"}
    return _bound({"messages": turns(request), **shown, **_common(request)}, schema)


def turns(request: EngineRequest) -> list[dict[str, str]]:
    """Return the conversation as plain turns.

    Results of tools become a turn of the user that says what was called, what it returned, and the question again.
    In the template's own form small models mostly repeat the call instead of using its result.
    """
    if request.prompt is not None:
        return [{"role": "user", "content": request.prompt}]
    done: list[dict[str, str]] = []
    question = ""
    for message, results in _exchanges(request.messages):
        if message["role"] == "user":
            question = message["content"]
        if message["role"] != "tool" and (message["content"].strip() or not message.get("tool_calls")):
            done.append({"role": message["role"], "content": message["content"]})
        if results:
            done.append({"role": "user", "content": _report(results, question)})
    return done


def calls_since_question(messages: Iterable[Mapping[str, Any]]) -> list[PastCall]:
    """Return the calls that have a result since the user last spoke."""
    calls: list[PastCall] = []
    for message, results in _exchanges(messages):
        if message["role"] == "user":
            calls.clear()
        calls.extend(results)
    return calls


def _answer_schema(response_format: Mapping[str, Any]) -> Mapping[str, Any]:
    return response_format.get("json_schema") or {"type": "object"}


def _with_schema(turns: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Describe the schema in words too: without that, small models fill its first field and do not stop."""
    instruction = f"Answer with JSON of this schema: {json.dumps(schema, ensure_ascii=False)}"
    if turns and turns[0]["role"] == "system":
        return [{"role": "system", "content": f"{turns[0]['content']}\n\n{instruction}"}, *turns[1:]]
    return [{"role": "system", "content": instruction}, *turns]


def _bound(body: dict[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        return body
    return body | {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def _exchanges(messages: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], list[PastCall]]]:
    """Yield each message with the results that end with it: those of a row of tool messages come with the last."""
    calls: dict[str, Mapping[str, Any]] = {}
    row: list[PastCall] = []
    listed = list(messages)
    for message, following in zip(listed, [*listed[1:], None], strict=True):
        for position, call in enumerate(message.get("tool_calls") or ()):
            calls[call.get("id") or str(position)] = call.get("function", call)
        if message["role"] == "tool":
            row.append(_past_call(message, calls, len(row)))
        ends = following is None or following["role"] != "tool"
        yield message, row if ends else []
        row = [] if ends else row


def _past_call(message: Mapping[str, Any], calls: Mapping[str, Mapping[str, Any]], position: int) -> PastCall:
    """Find the call of a result, by its id or, in the native shape that has none, by its place."""
    call = calls.get(message.get("tool_call_id") or str(position), {})
    arguments = call.get("arguments")
    if isinstance(arguments, str) and arguments:
        arguments = json.loads(arguments)
    known = arguments if isinstance(arguments, dict) else {}
    return PastCall(call.get("name") or message.get("name") or "tool", known, message["content"])


def _report(results: Sequence[PastCall], question: str) -> str:
    known = "\n\n".join(map(str, results))
    repeated = f": {question}" if len(question) < REPEATED_QUESTION else "."
    return f"{known}\n\nNow answer my question in a sentence{repeated}"


def _wire_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _common(request: EngineRequest) -> dict[str, Any]:
    sampling = dict(request.sampling)
    if "repetition_penalty" in sampling:
        sampling["repeat_penalty"] = sampling.pop("repetition_penalty")
    return {
        "temperature": DEFAULT_TEMPERATURE,
        **sampling,
        "max_tokens": request.max_tokens,
        "stream": True,
        "timings_per_token": True,  # exact counts at any moment, also where decoding is stopped early
        "return_progress": True,  # events while the prompt is read, so that reading can be stopped too
    }
