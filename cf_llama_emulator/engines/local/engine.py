"""The local engine: runs a small model on this machine with llama.cpp."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cf_llama_emulator.engines.local.calls import CallReader, judge, new_calls, schema_of_call
from cf_llama_emulator.engines.local.prompts import answer_body, completion_body, tools_body
from cf_llama_emulator.engines.local.runtime import LocalModelError, Runtime
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Piece, Text, Tool
from cf_llama_emulator.wire.errors import ServiceError, invalid_input

__all__ = ["LocalEngine", "LocalModelError"]


class LocalEngine:
    """A model from a GGUF file. Not Llama 3.3 70B: quality, speed and token counts are the file's own."""

    def __init__(self, path: Path | str, *, name: str | None = None, threads: int | None = None) -> None:
        """Load the GGUF file at `path`, which takes some seconds, and call it `name`.

        Raises:
            LocalModelError: when it cannot be loaded; the message says what to do.
        """
        path = Path(path)
        self.name = f"local:{name or path.stem}"
        self._runtime = Runtime(path, threads)

    async def answer(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Yield the model's answer, text token by token as it is generated.

        Raises:
            ServiceError: when the request does not fit into the context, or asks for what llama.cpp cannot do.
        """
        async with aclosing(self._pieces(request)) as pieces:
            async for piece in pieces:
                yield piece

    def _pieces(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        if request.prompt is not None and request.raw:
            return self._text(completion_body(request))
        if not request.tools or request.tool_choice == "none":
            return self._words(request)
        if request.tool_choice in (None, "auto"):
            return self._words_or_calls(request)
        return self._call(request, [tool for tool in request.tools if request.tool_choice in ("required", tool.name)])

    def _words(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Answer in words, or in the JSON that the request asks for."""
        return self._text(answer_body(request))

    async def _text(self, body: Mapping[str, Any]) -> AsyncGenerator[Piece]:
        progress = Progress()
        async with aclosing(self._decode(body, progress)) as texts:
            async for text in texts:
                yield Text(text)
        yield progress.end()

    async def _call(self, request: EngineRequest, tools: Sequence[Tool]) -> AsyncGenerator[Piece]:
        """Call one of `tools`: the model can write nothing else."""
        calls, end = await self._bound_call(request, tools)
        if end.finish_reason == "length":
            raise ServiceError(400, 8006, "The forced tool call does not fit into max_tokens")
        for call in calls:
            yield call
        yield end

    async def _bound_call(self, request: EngineRequest, tools: Sequence[Tool]) -> tuple[list[Call], End]:
        """Return a call of one of `tools`, or none where it does not fit into `max_tokens`."""
        progress = Progress()
        async with aclosing(self._decode(tools_body(request, tools, schema_of_call(tools)), progress)) as texts:
            text = "".join([text async for text in texts])
        end = progress.end()
        if end.finish_reason == "length":
            return [], end
        value = json.loads(text)
        return [Call(value["name"], value["arguments"])], end

    async def _words_or_calls(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Let the model choose: what it writes in the form of a call becomes one if it stands up to judgement."""
        progress, reader = Progress(), CallReader()
        async with aclosing(self._decode(tools_body(request, request.tools), progress)) as texts:
            async for text in texts:
                prose = reader.feed(text)
                if prose and request.response_format is None:
                    yield Text(prose)
                if reader.finished:
                    break
        async with aclosing(self._rest(request, reader, progress)) as pieces:
            async for piece in pieces:
                yield piece

    async def _rest(self, request: EngineRequest, reader: CallReader, progress: Progress) -> AsyncGenerator[Piece]:
        """Yield what follows the prose: calls, what was held back, or another answer where neither stands."""
        verdict = judge(reader, request, cut=progress.finish_reason == "length")
        calls, end = verdict.calls, progress.end()
        if verdict.again:
            written, end = await self._bound_call(request, verdict.again)
            calls = new_calls(written, request)
        if calls or verdict.stands:
            for call in calls:
                yield call
            if verdict.stands and (held := reader.close()):
                yield Text(held)
            yield end
            return
        async with aclosing(self._words(request)) as words:
            async for piece in words:
                yield piece

    async def _decode(self, body: Mapping[str, Any], progress: Progress) -> AsyncGenerator[str]:
        """Yield the text as it comes, and keep `progress`."""
        async with aclosing(self._runtime.decode(body)) as events:
            try:
                async for event in events:
                    if text := progress.read(event):
                        yield text
            except ValueError as error:
                raise invalid_input(f"llama.cpp refuses this request: {error}") from error


@dataclass
class Progress:
    """How far an answer has come, by llama.cpp's own count."""

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def read(self, event: Mapping[str, Any]) -> str:
        """Take one event and return the text it brings.

        Raises:
            ServiceError: when the event is an error.
        """
        if error := event.get("error"):
            raise _refusal(error)
        if timings := event.get("timings"):
            self.prompt_tokens = timings["cache_n"] + timings["prompt_n"]
            self.completion_tokens = timings["predicted_n"]
        text = ""
        for choice in event.get("choices") or ():
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            text += choice.get("text") or choice.get("delta", {}).get("content") or ""
        return text

    def end(self) -> End:
        """Return how it ended."""
        return End(self.finish_reason, self.prompt_tokens, self.completion_tokens)


def _refusal(error: Mapping[str, Any]) -> ServiceError:
    if error.get("type") == "exceed_context_size_error":
        return ServiceError(
            413,
            5021,
            f"The number of input tokens ({error['n_prompt_tokens']}) "
            f"exceeded this model context window limit ({error['n_ctx']}).",
        )
    return ServiceError(500, 3043, f"Internal server error: {error.get('message', error)}")
