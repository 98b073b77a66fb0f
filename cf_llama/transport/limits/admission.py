"""One call's place in the line of its gate: it waits in a thread or on an event loop, the only two that differ."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from threading import Event
from typing import TYPE_CHECKING

from cf_llama.protocol.errors import WorkersAIError
from cf_llama.transport.limits.rate import Sent

if TYPE_CHECKING:
    from cf_llama.transport.limits.gate import Gate


class Admission:
    """A call's way through its gate, across its attempts: a request that was refused keeps its place in the order.

    Args:
        gate: The gate.
        deadline: When the time for the whole call is over, on the gate's clock.
        longest_wait: Seconds to wait for a place. None: as long as calls are let through, and two minutes more.
    """

    def __init__(self, gate: Gate, deadline: float = inf, longest_wait: float | None = None) -> None:
        self._gate = gate
        self.deadline, self.longest_wait = deadline, longest_wait
        self.number: int | None = None
        """The place in the order of asking; None until the call has had to wait."""
        self.asked_at: float | None = None
        self.waited = 0.0
        """Seconds spent in the line so far."""
        self.sent: Sent | None = None
        """The request, once it is let through."""
        self.counted_at: float | None = None
        """When the request was sent, where it was only counted, as no limit is in sight."""
        self.is_heard = self.is_in_line = False
        self.others = 0
        """Calls that were under way or waiting when the last request ended."""
        self._event: Event | None = None
        self._future: asyncio.Future[None] | None = None

    def __lt__(self, other: Admission) -> bool:
        return id(self) < id(other)

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
        """Wait for a place; see `enter`."""
        try:
            if not self._gate.delay(self, has_waited=False):
                return
            loop = asyncio.get_running_loop()
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

    def admitted(self) -> None:
        """The service has begun to answer."""
        self._gate.admitted(self)

    def end(self, error: WorkersAIError | None, *, answered: bool) -> None:
        """The request has ended; see `Gate.end`."""
        self._gate.end(self, error, answered=answered)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
