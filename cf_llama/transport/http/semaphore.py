"""A fair semaphore for threads; tasks use asyncio's."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Semaphore:
    """A semaphore that serves threads in the order of arrival.

    `threading.Semaphore` lets new threads overtake waiting ones. Here a released place goes to the thread that has
    waited longest, as with `asyncio.Semaphore`.
    """

    def __init__(self, places: int) -> None:
        self._lock = Lock()
        self._free = places
        self._waiting: deque[Lock] = deque()

    def acquire(self, seconds: float | None) -> bool:
        """Wait for a place for at most `seconds` (None: no timeout); return whether it was acquired."""
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
        """Stop waiting; return True if the place was assigned at the last moment."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                return False
        return True

    def release(self) -> None:
        """Release a place."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
