"""The HTTP engine: answers of any server with OpenAI's chat completions (Ollama, vLLM, llama-server …)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Piece, Text
from cf_llama_emulator.wire.errors import ServiceError, emulator_error

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"""How long a local server may think without a word."""

_QUOTED_CHARACTERS = 500


class HttpEngine:
    """Passes each request on, streamed, and its answer back."""

    name = "http"

    def __init__(self, base_url: str, model: str, api_key: str | None = None) -> None:
        """Take the server's address (as far as `/v1`), the name of its model, and its key where it wants one."""
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._tls = httpx.create_ssl_context()  # costs 30 ms, so once

    async def answer(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Yield the server's answer; calls come whole, at the end.

        Raises:
            ServiceError: where the server refuses, fails, or cannot be reached.
        """
        path, body = request_body(request, self._model)
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(verify=self._tls, timeout=timeout, headers=self._headers) as client:
            try:
                async with client.stream("POST", self._base_url + path, json=body) as response:
                    await _check(response)
                    async for piece in _pieces(response.aiter_bytes()):
                        yield piece
            except httpx.TimeoutException as error:
                raise ServiceError(408, 3046, "Request timeout") from error
            except httpx.HTTPError as error:
                raise ServiceError(503, 3050, f"{self._base_url} does not answer: {type(error).__name__}") from error


def request_body(request: EngineRequest, model: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the body that ask an OpenAI-compatible server the same."""
    common = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
    }
    common |= request.sampling
    if request.response_format is not None:
        common["response_format"] = _response_format(request.response_format)
    if request.prompt is not None and request.raw:
        return "/completions", common | {"prompt": request.prompt}
    messages = [{"role": "user", "content": request.prompt}] if request.prompt is not None else list(request.messages)
    if request.tools:
        common["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
        if request.tool_choice is not None:
            common["tool_choice"] = _tool_choice(request.tool_choice)
    return "/chat/completions", common | {"messages": messages}


def _response_format(response_format: Mapping[str, Any]) -> dict[str, Any]:
    if response_format["type"] == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": response_format["json_schema"]}}


def _tool_choice(choice: str) -> Any:
    return choice if choice in ("none", "required") else {"type": "function", "function": {"name": choice}}


async def _check(response: httpx.Response) -> None:
    """Turn a refusal into the service's own; what the server said is quoted unless it is about the key."""
    if response.is_success:
        return
    status = response.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise emulator_error(f"the engine's server refuses its key (status {status})")
    message = (await response.aread()).decode("utf-8", "replace")[:_QUOTED_CHARACTERS]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise ServiceError(429, 3040, "Capacity temporarily exceeded, please try again.")
    if response.is_server_error:
        raise ServiceError(500, 3043, f"Internal server error: {message}")
    raise ServiceError(400, 8007, f"Upstream bad request (status {status}): {message}")


def _text(content: Any) -> str:
    """Return a text field as text: some servers send digits as a number."""
    return content if isinstance(content, str) else "" if content is None else json.dumps(content)


@dataclass
class _Fragments:
    """The fragments of one call."""

    name: str = ""
    id: str | None = None
    arguments: list[str] = field(default_factory=list)

    def whole(self) -> Call:
        text = "".join(self.arguments)
        try:
            parsed = json.loads(text or "{}")
        except ValueError:
            parsed = None
        return Call(self.name, parsed if isinstance(parsed, dict) else text, self.id)


@dataclass
class _Reader:
    """Reads events: text at once, calls kept until they are whole, and how it ended."""

    calls: dict[int, _Fragments] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)

    def feed(self, event: Mapping[str, Any]) -> str:
        """Take one event and return the text it brings."""
        if event.get("error"):
            raise ServiceError(500, 3043, f"Internal server error: {str(event['error'])[:_QUOTED_CHARACTERS]}")
        self.usage = event.get("usage") or self.usage
        text = ""
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or choice
            text += _text(delta.get("content", delta.get("text")))
            for fragment in delta.get("tool_calls") or ():
                self._add(fragment)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return text

    def _add(self, fragment: Mapping[str, Any]) -> None:
        call = self.calls.setdefault(fragment.get("index") or 0, _Fragments())
        function = fragment.get("function") or {}
        call.id = call.id or fragment.get("id")
        call.name = call.name or function.get("name") or ""
        call.arguments.append(function.get("arguments") or "")

    def end(self) -> End:
        """Return how it ended, with the server's own counts where it gave them."""
        if self.finish_reason is None:
            raise ServiceError(500, 3043, "Internal server error: the engine's server broke off its answer")
        reason = "stop" if self.finish_reason == "tool_calls" else self.finish_reason
        return End(reason, self.usage.get("prompt_tokens"), self.usage.get("completion_tokens"))


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    reader = _Reader()
    async for event in _events(chunks):
        text = reader.feed(event)
        if text:
            yield Text(text)
    end = reader.end()
    for _, call in sorted(reader.calls.items()):
        yield call.whole()
    yield end


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Mapping[str, Any]]:
    """Yield the events' payloads. Lines end at LF alone: JSON may hold the other line ends that Python knows."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            payload = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if payload == b"[DONE]":
                return
            if payload:
                yield _parsed(payload)


def _parsed(payload: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(payload)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise ServiceError(500, 3043, "Internal server error: an event of the engine's server is no JSON object")
    return event
