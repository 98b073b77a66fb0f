"""An emulator with scripted answers for tests."""

from __future__ import annotations

from typing import Any, Self

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.engines.script import Turn
from cf_llama_emulator.faults import combined
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.server.threaded import LOOPBACK, RunningEmulator
from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Raw, Text
from cf_llama_emulator.wire.errors import ServiceError

__all__ = ["Call", "End", "Faults", "Raw", "ScriptedEmulator", "ServiceError", "Text"]


class ScriptedEmulator(RunningEmulator):
    """A running emulator, with a script and faults that can be written anew for each test."""

    def __init__(self) -> None:
        """Serve on a free port of this machine."""
        super().__init__(Emulator(RuleEngine()), LOOPBACK, 0)

    def cleared(self) -> Self:
        """Return it in its initial state."""
        self._emulator.clear()
        return self

    def say(self, *turns: Turn) -> None:
        """Script the next answers, one for each request that is not refused.

        A turn is a text, a `call`, a list of both, a `Raw` response, an exception or a function of the request;
        `Faults` at the head of a list make that answer go wrong. Once anything is scripted, a request too many is
        refused.

        A function is called in the emulator's own thread, one at a time, for all threads and tasks. What it
        raises, an `AssertionError` as much as `pytest.fail`, is answered with an error that no client retries, and
        raised again where the script belongs: by the fixture once the test has run, by `raise_failure` and by `close`,
        with which a `with` statement ends. A `ServiceError` is no failure; it is what the service answers.

        Raises:
            TypeError: a turn is made of something else.
            ValueError: its faults are not known, not allowed in a script or not at its head.
        """
        self._emulator.scripted.say(*turns)

    @staticmethod
    def call(name: str, /, **arguments: Any) -> Call:
        """Return a tool call for a script."""
        return Call(name, arguments)

    def always(self, text: str) -> None:
        """Set faults for every request, `name[=value], ...`; see `cf-llama serve --list-faults`.

        Raises:
            ValueError: when a name is not known or a value is not allowed.
        """
        combined([text])
        self._emulator.always = text

    def raise_failure(self) -> None:
        """Raise what a function of the script raised, in its own traceback, and forget it; of several the first.

        Without a failure it does nothing.
        """
        self._emulator.scripted.raise_failure()

    @property
    def remaining(self) -> int:
        """Number of unused scripted answers."""
        return self._emulator.scripted.remaining
