"""One call's place in the line of its gate: it waits in a thread or on an event loop, the only two that differ."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from threading import Event

from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.event_loop import running_loop
from cf_llama.transport.limits.gate import Gate
from cf_llama.transport.limits.place import Place


class Admission(Place):
    """A call's way through its gate: a request that was refused keeps its place in the order.

    Args:
        gate: The gate.
        deadline: See `Place`.
        longest_wait: See `Place`.
    """

    def __init__(self, gate: Gate, deadline: float = inf, longest_wait: float | None = None) -> None:
        super().__init__(deadline, longest_wait)
        self._gate = gate
        self._event: Event | None = None
        self._future: asyncio.Future[None] | None = None

    def enter(self) -> None:
        """Wait for a place.

        Raises:
            RateLimitError: none came in time.
            RequestTimeoutError: the time for the whole call is over.
        """
        try:
            if not self._gate.delay(self, has_waited=False):
                return
            self._event = Event()  # from here on, so that no wake is missed
            has_waited = False
            while seconds := self._gate.delay(self, has_waited=has_waited):
                self._event.wait(None if seconds == inf else seconds)
                self._event.clear()
                has_waited = True
        except BaseException:
            self._gate.leave(self)
            raise

    async def aenter(self) -> None:
        """Wait for a place; see `enter`.

        Raises:
            InvalidRequestError: asyncio does not run, and there is no place yet.
        """
        try:
            if not self._gate.delay(self, has_waited=False):
                return
            loop = running_loop()
            self._future = loop.create_future()  # from here on, so that no wake is missed
            has_waited = False
            while seconds := self._gate.delay(self, has_waited=has_waited):
                timer = None if seconds == inf else loop.call_later(seconds, self.wake)
                await self._future
                if timer:
                    timer.cancel()
                self._future = loop.create_future()
                has_waited = True
        except BaseException:
            self._gate.leave(self)
            raise

    def wake(self) -> None:
        """Let the call look again; from any thread."""
        if self._event:
            self._event.set()
        if future := self._future:
            with suppress(RuntimeError):  # its loop is closed
                future.get_loop().call_soon_threadsafe(_resolve, future)

    def written(self) -> None:
        """The request has been written to a socket."""
        self._gate.written(self)

    def admitted(self) -> None:
        """The service has begun to answer."""
        self._gate.admitted(self)

    def end(self, error: WorkersAIError | None, *, answered: bool) -> None:
        """The request has ended; see `Gate.end`."""
        self._gate.end(self, error, answered=answered)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
