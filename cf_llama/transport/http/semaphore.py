"""A number of places, given to threads in the order in which they came; asyncio has its own semaphore for tasks."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Semaphore:
    """Places for threads.

    Python's own semaphore lets a newcomer overtake who has been waiting, time and again; here a place that is given
    back goes straight to whoever has waited longest, as asyncio's does.
    """

    def __init__(self, places: int) -> None:
        self._lock = Lock()
        self._free = places
        self._waiting: deque[Lock] = deque()

    def acquire(self, seconds: float | None) -> bool:
        """Wait for a place, at most for so many seconds; say whether there is one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            waiter = Lock()
            waiter.acquire()
            self._waiting.append(waiter)
        try:
            taken = waiter.acquire(timeout=-1 if seconds is None else seconds)
        except BaseException:  # Ctrl-C
            if self._leave(waiter):
                self.release()
            raise
        return taken or self._leave(waiter)

    def _leave(self, waiter: Lock) -> bool:
        """Wait no more; True where the turn came in the very last moment."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                return False
        return True

    def release(self) -> None:
        """Give up a place."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
