"""A number of places, given to threads or tasks in the order in which they came."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from threading import Lock


class Turns:
    """Places for threads.

    Python's own semaphore lets a newcomer overtake who has been waiting, time and again; here a place that is given
    back goes straight to whoever has waited longest, as asyncio's does.
    """

    def __init__(self, places: int) -> None:
        self._lock = Lock()
        self._free = places
        self._waiting: deque[Lock] = deque()

    def take(self, seconds: float | None) -> bool:
        """Wait for a place, at most for so many seconds; say whether there is one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            taken = turn.acquire(timeout=-1 if seconds is None else seconds)
        except BaseException:  # Ctrl-C
            if self._leave(turn):
                self.give_back()
            raise
        return taken or self._leave(turn)

    def _leave(self, turn: Lock) -> bool:
        """Wait no more; True where the turn came in the very last moment."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True

    def give_back(self) -> None:
        """Give up a place."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class AsyncTurns:
    """Places for the tasks of one event loop.

    asyncio's semaphore looks through all who wait whenever a place is taken, so a thousand would cost a million looks.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[Future[None]] = deque()

    async def take(self, seconds: float | None) -> bool:
        """Wait for a place, at most for so many seconds; say whether there is one."""
        if self._free:
            self._free -= 1
            return True
        turn: Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            return not turn.cancelled()  # else it came in the very last moment
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise
        return True

    def give_back(self) -> None:
        """Give up a place."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else who waited has left
                turn.set_result(None)
                return
        self._free += 1
