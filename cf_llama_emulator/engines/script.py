"""The script engine: the test says what comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from cf_llama_emulator.engines.base import Ask, Call, End, Faults, Piece, Raw, Text
from cf_llama_emulator.errors import complaint
from cf_llama_emulator.pieces import bounded, split

Part = str | Piece | Exception
Turn = Part | Sequence[Part] | Callable[[Ask], Part | Sequence[Part]]
"""One answer: a text (cut into pieces as a tokenizer would), pieces exactly as given (a `str` in the sequence is one
piece), a `Raw` response, or a function of the request that returns one of these. `Faults` before the pieces make the
answer go wrong. An exception among the pieces is
raised when its turn comes; a `ServiceError` becomes an error body or, after the first piece, an error event."""


MEMORY = 1000
"""How many of the requests are remembered."""

QUOTED = 120
"""Characters of a request that a complaint quotes, from its end."""


class ScriptEngine:
    """Answers with the given turns, one for each request, in order.

    `max_tokens` cuts a scripted answer too, unless the turn brings an `End` of its own.
    """

    name = "script"

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        """Take the first turns; `say` adds more."""
        self._turns = deque(turns)
        self._asked = 0
        self.asks: list[Ask] = []
        """What was asked so far, oldest first; the oldest are forgotten."""

    def say(self, *turns: Turn) -> None:
        """Add turns."""
        self._turns.extend(turns)

    @property
    def remaining(self) -> int:
        """How many turns have not been asked for yet."""
        return len(self._turns)

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Yield the next turn.

        Raises:
            ServiceError: when no turn is left; clients must not retry it.
        """
        self._asked += 1
        self.asks.append(ask)
        del self.asks[:-MEMORY]
        if not self._turns:
            raise complaint(_nothing_left(self._asked, ask))
        turn = self._turns.popleft()
        parts = turn(ask) if callable(turn) else turn
        pieces = _pieces(parts)
        if pieces and isinstance(pieces[0], Faults):
            yield pieces.pop(0)  # type: ignore[misc] # of `Faults` it was just found to be
        limited = [piece for piece in pieces if isinstance(piece, (Text, Call))]
        for piece in bounded(limited, ask) if limited == pieces else pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def _nothing_left(number: int, ask: Ask) -> str:
    last = ask.prompt if ask.prompt is not None else ask.messages[-1]["content"] if ask.messages else ""
    quoted = " ".join(last.split())[-QUOTED:]
    return f"the script has no turn left for request {number}, which ends with {quoted!r}; say more, or ask less"


def _pieces(parts: Part | Sequence[Part]) -> list[Piece | Exception]:
    if isinstance(parts, str):
        return [Text(piece) for piece in split(parts)]
    if isinstance(parts, (Text, Call, End, Raw, Faults, Exception)):
        return [parts]
    return [Text(part) if isinstance(part, str) else part for part in parts]
