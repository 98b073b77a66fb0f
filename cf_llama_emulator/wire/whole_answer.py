"""Collects an engine's pieces into one whole answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Piece, Raw, Text
from cf_llama_emulator.wire.errors import emulator_error
from cf_llama_emulator.wire.tokens import neurons
from cf_llama_emulator.wire.writers import Writer

Pieces = AsyncGenerator[Piece]
"""Accounted pieces: exactly one complete `End`, last; or one `Raw` alone."""


class WholeAnswer(NamedTuple):
    """An answer without its envelope, and what it costs."""

    result: dict[str, Any]
    neurons: float


async def whole_answer(pieces: Pieces, writer: Writer) -> WholeAnswer | Raw:
    """Collect all pieces; a `Raw` answer is returned as it is.

    Raises:
        ServiceError: the engine fails, or its pieces are not in order.
    """
    text: list[str] = []
    calls: list[Call] = []
    async with aclosing(pieces):
        async for piece in pieces:
            match piece:
                case Text():
                    text.append(piece.text)
                case Call():
                    calls.append(piece)
                case Raw():
                    return piece
                case Faults():
                    raise emulator_error("faults must come first")
                case End():
                    result = writer.whole("".join(text), calls, piece)
                    usual = neurons(piece.prompt_tokens or 0, piece.completion_tokens or 0)
                    return WholeAnswer(result, result.get("usage", {}).get("neurons", usual))
    raise emulator_error("the engine gave no end")
