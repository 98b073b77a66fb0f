"""The pieces of an answer on their way from an engine to the wire: cut from a text, bounded, and counted."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing

from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Piece, Text
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.tokens import CHARACTERS_PER_TOKEN, arguments_text, estimate, estimate_call

logger = logging.getLogger(__name__)

# Llama's tokenizer keeps digits apart in groups of at most three and lets one blank lead a word.
_PIECE = re.compile(r"\d{1,3}| ?[^\W\d]+| ?[^\w\s]+|\s+?(?= ?\S)|\s+")


def split(text: str) -> Iterator[str]:
    """Cut a text into pieces as a tokenizer would; joined they are the text again."""
    return (match.group() for match in _PIECE.finditer(text))


def limit_tokens(pieces: Iterable[Text | Call], request: EngineRequest) -> Iterator[Piece]:
    """Yield `pieces` up to the request's `max_tokens`, by estimate, then an `End` with the reason and the count.

    A piece that reaches beyond the limit is cut; a call keeps the beginning of its arguments, as text.

    Raises:
        ServiceError: 400/8006 for a forced call that does not fit.
    """
    spent = 0
    for piece in pieces:
        cost = _cost(piece)
        if spent + cost > request.max_tokens:
            if isinstance(piece, Call) and request.tool_choice is not None:
                raise ServiceError(400, 8006, "The forced tool call does not fit into max_tokens")
            room = (request.max_tokens - spent) * CHARACTERS_PER_TOKEN
            if room > 0:
                yield _cut(piece, room)
            yield End("length", completion_tokens=max(request.max_tokens, 0))
            return
        spent += cost
        yield piece
    yield End(completion_tokens=spent)


async def with_usage(pieces: AsyncIterator[Piece], prompt_tokens: int) -> AsyncGenerator[Piece]:
    """Yield an engine's pieces, its `End` completed; close the engine for certain, also when the reader goes away.

    Counts that the engine does not know are estimates; an answer with calls that simply stopped says `tool_calls`.

    Raises:
        ServiceError: as the engine raised it, or 500/3043 for any other exception, which is logged as well.
    """
    spent, called, end = 0, False, End()
    async with AsyncExitStack() as stack:
        if isinstance(pieces, AsyncGenerator):
            await stack.enter_async_context(aclosing(pieces))
        async for piece in _reported(pieces):
            if isinstance(piece, End):
                end = piece
                break
            spent += _cost(piece)
            called = called or isinstance(piece, Call)
            yield piece
    yield End(
        "tool_calls" if called and end.finish_reason == "stop" else end.finish_reason,
        prompt_tokens if end.prompt_tokens is None else end.prompt_tokens,
        spent if end.completion_tokens is None else end.completion_tokens,
    )


async def stop_at_words(pieces: AsyncGenerator[Piece], words: Sequence[str]) -> AsyncGenerator[Piece]:
    """Yield `pieces` up to the first of `words` in the text; what might begin one is held back until that is clear."""
    held, speaks = "", True
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Text):
                due, held, ended = _before(words, held + piece.text)
                if speaks and due:
                    yield Text(due)
                speaks = speaks and not ended
                continue
            if speaks and held:
                yield Text(held)
            held = ""
            yield piece


def _before(words: Sequence[str], text: str) -> tuple[str, str, bool]:
    """Return what of `text` comes before all `words`, what may yet begin one, and whether one stands in it."""
    found = [at for word in words if (at := text.find(word)) >= 0]
    if found:
        return text[: min(found)], "", True
    kept = max(length for word in words for length in range(len(word)) if text.endswith(word[:length]))
    return text[: len(text) - kept], text[len(text) - kept :], False


async def _reported(pieces: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
    """Yield `pieces`; an exception of the engine is logged and becomes an error of the service."""
    try:
        async for piece in pieces:
            yield piece
    except ServiceError:
        raise
    except Exception as error:
        logger.exception("The engine failed.")
        raise ServiceError(500, 3043, f"Internal server error: {type(error).__name__}: {error}") from error


def _cost(piece: Piece) -> int:
    match piece:
        case Text():
            return estimate(piece.text)
        case Call():
            return estimate_call(piece)
        case _:
            return 0


def _cut(piece: Text | Call, room: int) -> Text | Call:
    if isinstance(piece, Text):
        return Text(piece.text[:room])
    return Call(piece.name, arguments_text(piece)[: max(room - len(piece.name), 0)], piece.id)
