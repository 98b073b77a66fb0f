"""The bytes that the server answers with, over either route, made once for each task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

Route = Literal["native", "openai"]

_WORD = "word "
_USAGE = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17}
_FORM = {"name": "Ada", "age": 36, "cities": ["London", "Turin"]}
_CALLS = [("tool_0", {"city": "Turin", "days": 3}), ("tool_1", {"city": "London", "days": 1})]
_HEAD = (
    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ndate: Tue, 03 Nov 2026 12:00:00 GMT\r\n"
    "server: cloudflare\r\ncf-ray: 9a1b2c3d4e5f6a7b-TRN\r\n{more}\r\n"
)
_ROW = '{"a":{"b":["x"]}},'

REFUSAL_CODE = 3040


@cache
def whole(route: Route, kind: str, form_tool: str | None) -> bytes:
    """An answer that comes whole; `form_tool` is the tool that takes the form, where it is asked for by a call."""
    message = _message(kind, form_tool)
    if route == "openai":
        finish = "tool_calls" if message["tool_calls"] else "stop"
        said: dict[str, Any] = {"role": "assistant", "content": message["text"]}
        if message["tool_calls"]:
            said["tool_calls"] = [_openai_call(name, arguments) for name, arguments in message["tool_calls"]]
        choice = {"index": 0, "message": said, "finish_reason": finish}
        return _page("200 OK", _completion("chat.completion", [choice]) | {"usage": _USAGE})
    calls = [{"name": name, "arguments": arguments} for name, arguments in message["tool_calls"]]
    result = {"response": message["text"], "tool_calls": calls, "usage": _USAGE}
    return _page("200 OK", {"result": result, "success": True, "errors": [], "messages": []})


@cache
def refusal() -> bytes:
    """What a request gets for which there is no room."""
    error = {"message": "AiError: Capacity temporarily exceeded, please try again.", "code": REFUSAL_CODE}
    page = {"errors": [error], "success": False, "result": {}, "messages": []}
    return _page("429 Too Many Requests", page, "retry-after: 1\r\n")


@cache
def stream(route: Route, kind: str, events: int) -> tuple[bytes, tuple[bytes, ...]]:
    """The head of a stream, and its pieces: one for each event."""
    head = _HEAD.format(status="200 OK", kind="text/event-stream", more="transfer-encoding: chunked\r\n").encode()
    lines = (_chunk(f"data: {data}\n\n".encode()) for data in _events(route, kind, events))
    return head, (*lines, b"0\r\n\r\n")


@cache
def stream_at_once(route: Route, kind: str, events: int) -> bytes:
    """The same in one piece."""
    head, pieces = stream(route, kind, events)
    return head + b"".join(pieces)


def _events(route: Route, kind: str, events: int) -> Iterator[str]:
    for text in _texts(kind, events):
        yield _event(route, text)
    if route == "openai":
        yield _json(_completion("chat.completion.chunk", [{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        yield _json(_completion("chat.completion.chunk", []) | {"usage": _USAGE})
    else:
        yield _json({"response": "", "usage": _USAGE})
    yield "[DONE]"


def _event(route: Route, text: str) -> str:
    if route == "native":
        return _json({"response": text, "p": "abdefghijklm"})
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return _json(_completion("chat.completion.chunk", [choice]))


def _texts(kind: str, events: int) -> Iterator[str]:
    if kind != "json":
        yield from (_WORD for _ in range(events))
        return
    yield '{"rows":['
    yield from (_ROW for _ in range(events - 2))
    yield "{}]}"


def _message(kind: str, form_tool: str | None) -> dict[str, Any]:
    if kind == "calls":
        return {"text": "", "tool_calls": _CALLS}
    if kind == "form" and form_tool:
        return {"text": "", "tool_calls": [(form_tool, _FORM)]}
    return {"text": json.dumps(_FORM) if kind == "form" else "Hello there, how are you?", "tool_calls": []}


def _openai_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"call-{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _completion(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1793700000, "model": "llama", "choices": choices}


def _page(status: str, page: dict[str, Any], more: str = "") -> bytes:
    body = _json(page).encode()
    more += f"content-length: {len(body)}\r\n"
    return _HEAD.format(status=status, kind="application/json", more=more).encode() + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
