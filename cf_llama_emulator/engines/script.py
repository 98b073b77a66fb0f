"""The script engine: the test says what comes next."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

from cf_llama_emulator.faults import read_brought
from cf_llama_emulator.wire.chunks import limit_tokens, split
from cf_llama_emulator.wire.engine_protocol import Call, End, Engine, EngineRequest, Faults, Piece, Raw, Text
from cf_llama_emulator.wire.errors import ServiceError, emulator_error

logger = logging.getLogger(__name__)

Part = str | Piece | Exception
Turn = Part | Sequence[Part] | Callable[[EngineRequest], Part | Sequence[Part]]
"""One answer: a text (cut into pieces as a tokenizer would), pieces exactly as given (a `str` in the sequence is one
piece), a `Raw` response, or a function of the request that returns one of these. `Faults` before the pieces make the
answer go wrong. An exception among the pieces is raised when its turn comes; a `ServiceError` becomes an error body
or, after the first piece, an error event. What a function raises itself, other than a `ServiceError`, is a failure of
the script: see `ScriptEngine.raise_failure`."""


MEMORY = 1000
"""How many of the requests are remembered."""

QUOTED = 120
"""Characters of a request that a complaint quotes, from its end."""


class ScriptEngine:
    """Answers with the given turns, one for each request, in order.

    `max_tokens` cuts a scripted answer too, unless the turn has its own `End`.
    """

    name = "script"

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        """Take the first turns, as `say` does; it adds more."""
        self._turns: deque[Turn] = deque()
        self.say(*turns)
        self._asked = 0
        self.asks: list[EngineRequest] = []
        """What was asked so far, oldest first; the oldest are forgotten."""
        self.failures: list[BaseException] = []
        """What functions of the script raised, oldest first, e.g. an `AssertionError`."""

    def say(self, *turns: Turn) -> None:
        """Add turns.

        Raises:
            TypeError: one is made of something else than a `Turn` is.
            ValueError: its faults are not known, not allowed in a script or not at its head.
        """
        for turn in turns:
            if not callable(turn):
                _pieces(turn)
        self._turns.extend(turns)

    @property
    def remaining(self) -> int:
        """How many turns have not been asked for yet."""
        return len(self._turns)

    def raise_failure(self) -> None:
        """Raise what a function of the script raised, in its own traceback; of several the first, naming the rest.

        The failures are forgotten then, and so are the turns that are left. Without any it does nothing.
        """
        failures, self.failures = self.failures, []
        if failures:
            self._turns.clear()
            first, *others = failures
            for error in others:
                first.add_note(f"A later turn of the script failed too: {_first_line(error)}")
            raise first

    async def answer(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Yield the next turn.

        Raises:
            ServiceError: when no turn is left, or when its function fails; no client retries either.
        """
        self._asked += 1
        self.asks.append(request)
        del self.asks[:-MEMORY]
        if not self._turns:
            raise emulator_error(_nothing_left(self._asked, request))
        turn = self._turns.popleft()
        pieces = self._returned(turn, request) if callable(turn) else _pieces(turn)
        if pieces and isinstance(pieces[0], Faults):
            yield pieces.pop(0)  # type: ignore[misc] # of `Faults` it was just found to be
        limited = [piece for piece in pieces if isinstance(piece, (Text, Call))]
        for piece in limit_tokens(limited, request) if limited == pieces else pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def _returned(
        self, turn: Callable[[EngineRequest], Part | Sequence[Part]], request: EngineRequest
    ) -> list[Piece | Exception]:
        """Return the pieces of what a function returns; what it raises is kept for `raise_failure`."""
        try:
            return _pieces(turn(request))
        except (ServiceError, KeyboardInterrupt):
            raise
        except BaseException as error:  # pytest's outcomes are no `Exception`
            self.failures.append(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
            logger.exception("A turn of the script failed.")
            raise emulator_error(f"turn {self._asked} of the script failed: {_first_line(error)}") from None


class ScriptableEngine:
    """Follows a script once there is one, and answers with another engine until then."""

    def __init__(self, engine: Engine) -> None:
        """Begin without a script."""
        self._engine = engine
        self._script: ScriptEngine | None
        self.clear()

    def say(self, *turns: Turn) -> None:
        """Add turns as `ScriptEngine.say` does; what is refused begins no script."""
        script = self._script or ScriptEngine()
        script.say(*turns)
        self._script, self.name = script, script.name

    def clear(self) -> None:
        """Forget the script and its failures, unless a script is the engine."""
        self._script = self._engine if isinstance(self._engine, ScriptEngine) else None
        self.name = self._engine.name

    @property
    def remaining(self) -> int:
        """Number of unused scripted answers."""
        return self._script.remaining if self._script else 0

    def raise_failure(self) -> None:
        """Do as `ScriptEngine.raise_failure` does; nothing without a script."""
        if self._script:
            self._script.raise_failure()

    def answer(self, request: EngineRequest) -> AsyncIterator[Piece]:
        """Yield the next turn of the script, or what the other engine says."""
        return (self._script or self._engine).answer(request)


def _nothing_left(number: int, request: EngineRequest) -> str:
    last = request.prompt if request.prompt is not None else request.messages[-1]["content"] if request.messages else ""
    quoted = " ".join(last.split())[-QUOTED:]
    return f"the script has no turn left for request {number}, which ends with {quoted!r}; say more, or ask less"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _pieces(parts: Part | Sequence[Part]) -> list[Piece | Exception]:
    """Return the pieces of a turn; raise a TypeError or ValueError for what is none."""
    if isinstance(parts, str):
        return [Text(piece) for piece in split(parts)]
    listed = parts if isinstance(parts, Sequence) else [parts]
    pieces = [Text(part) if isinstance(part, str) else part for part in listed]
    for position, piece in enumerate(pieces):
        if not isinstance(piece, (Text, Call, End, Raw, Faults, Exception)):
            raise TypeError(f"a turn is a text, a call or a list of them, not {piece!r}")
        if isinstance(piece, Faults):
            if position:
                raise ValueError("faults must come first in a turn")
            read_brought(piece.text)
    return pieces
