"""Estimates: how many tokens a text is, what an answer costs, and where `max_tokens` cuts it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from math import ceil
from typing import Any

from cf_llama_emulator.engines.base import Ask, Call, End, Piece, Raw, Text

CONTEXT_WINDOW = 24_000
"""Tokens for input and `max_tokens` together (Workers AI model page)."""

CHARACTERS_PER_TOKEN = 4
"""What the service's own input estimate comes to (reports of its error 5021)."""

NEURONS_PER_INPUT_TOKEN = 0.0266676660742342
NEURONS_PER_OUTPUT_TOKEN = 0.204805329442024
"""Recorded answers of this model; Cloudflare's pricing page rounds them to 26,668 and 204,805 per million."""

# Llama's tokenizer keeps digits apart in groups of at most three and lets one blank lead a word.
_PIECE = re.compile(r"\d{1,3}| ?[^\W\d]+| ?[^\w\s]+|\s+?(?= ?\S)|\s+")


def estimate(text: str) -> int:
    """Return the estimated number of tokens in `text`."""
    return ceil(len(text) / CHARACTERS_PER_TOKEN)


def estimate_input(ask: Ask) -> int:
    """Return the estimated number of input tokens: texts, calls, tools and schema."""
    texts = [ask.prompt or ""]
    for message in ask.messages:
        texts.append(message["content"])
        texts.extend(_compact(call) for call in message.get("tool_calls") or ())
    texts.extend(tool.name + tool.description + _compact(tool.parameters) for tool in ask.tools)
    texts.append(_compact(ask.response_format) if ask.response_format else "")
    return ceil(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)


def neurons(prompt_tokens: int, completion_tokens: int) -> float:
    """Return what an answer costs, in neurons."""
    return prompt_tokens * NEURONS_PER_INPUT_TOKEN + completion_tokens * NEURONS_PER_OUTPUT_TOKEN


def split(text: str) -> Iterator[str]:
    """Cut a text into pieces as a tokenizer would; joined they are the text again."""
    return (match.group() for match in _PIECE.finditer(text))


async def bounded(pieces: Iterable[Piece], max_tokens: int) -> AsyncGenerator[Piece]:
    """Yield `pieces` up to `max_tokens` estimated tokens, then an `End` with the reason and the count.

    A piece that reaches beyond the limit is cut; a call keeps the beginning of its arguments, as text.
    """
    spent = 0
    for piece in pieces:
        if isinstance(piece, (End, Raw)):
            yield piece
            return
        cost = estimate(piece.text) if isinstance(piece, Text) else estimate_call(piece)
        if spent + cost > max_tokens:
            room = (max_tokens - spent) * CHARACTERS_PER_TOKEN
            if room > 0:
                yield _cut(piece, room)
            yield End("length", completion_tokens=max(max_tokens, 0))
            return
        spent += cost
        yield piece
    yield End(completion_tokens=spent)


def estimate_call(call: Call) -> int:
    """Return the estimated number of tokens of a call's name and arguments."""
    return estimate(call.name + arguments_text(call))


def arguments_text(call: Call) -> str:
    """Return a call's arguments as the JSON text that OpenAI's form carries."""
    return call.arguments if isinstance(call.arguments, str) else _compact(call.arguments)


def _cut(piece: Text | Call, room: int) -> Text | Call:
    if isinstance(piece, Text):
        return Text(piece.text[:room])
    return Call(piece.name, arguments_text(piece)[: max(room - len(piece.name), 0)], piece.id)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=dict)


async def accounted(pieces: AsyncIterator[Piece], prompt_tokens: int) -> AsyncGenerator[Piece]:
    """Yield an engine's pieces, its `End` completed; close the engine for certain, also when the reader goes away.

    Counts that the engine does not know are estimates; an answer with calls that simply stopped says `tool_calls`.
    """
    spent, called, end = 0, False, End()
    async with AsyncExitStack() as stack:
        if isinstance(pieces, AsyncGenerator):
            await stack.enter_async_context(aclosing(pieces))
        async for piece in pieces:
            if isinstance(piece, End):
                end = piece
                break
            if isinstance(piece, Text):
                spent += estimate(piece.text)
            elif isinstance(piece, Call):
                spent, called = spent + estimate_call(piece), True
            yield piece
    yield End(
        "tool_calls" if called and end.finish_reason == "stop" else end.finish_reason,
        prompt_tokens if end.prompt_tokens is None else end.prompt_tokens,
        spent if end.completion_tokens is None else end.completion_tokens,
    )
