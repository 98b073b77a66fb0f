"""A service that counts in one of three ways, and calls that follow a pacer: on a clock that only the events move."""

from __future__ import annotations

import heapq
import random
from collections import deque
from itertools import count
from math import ceil, floor, inf

COUNTINGS = ("sliding", "fixed", "bucket")


class Service:
    """Admits `requests` in `window` seconds; fixed windows begin `phase` seconds before the clock's multiples."""

    def __init__(self, counting, requests, window, phase=0.0):
        self.counting, self.requests, self.window, self.phase = counting, requests, window, phase
        self._sent, self._current, self._count, self._before = deque(), None, 0, 0
        self._tokens, self._at = float(requests), None

    def admits(self, now):
        return getattr(self, f"_{self.counting}")(now)

    def _sliding(self, now):
        while self._sent and self._sent[0] <= now - self.window:
            self._sent.popleft()
        if len(self._sent) >= self.requests:
            return False
        self._sent.append(now)
        return True

    def _fixed(self, now):
        window = floor((now + self.phase) / self.window)
        if window != self._current:
            self._current, self._count = window, 0
        self._count += 1
        return self._count <= self.requests

    def _weighted(self, now):
        """Counts fixed windows, and the one before by the share of it that the last window's length still holds."""
        window, share = divmod((now + self.phase) / self.window, 1)
        if window != self._current:
            self._before = self._count if window - 1 == self._current else 0
            self._current, self._count = window, 0
        if self._before * (1 - share) + self._count + 1 > self.requests:
            return False
        self._count += 1
        return True

    def _bucket(self, now):
        passed = 0 if self._at is None else now - self._at
        self._tokens = min(self.requests, self._tokens + passed * self.requests / self.window)
        self._at = now
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def ideal(self, calls, begin):
        """Seconds in which so many calls at once could be answered at best."""
        beyond = max(0, calls - self.requests)
        if self.counting == "bucket":
            return beyond * self.window / self.requests
        if self.counting == "weighted" and beyond:
            return self.window - (begin + self.phase) % self.window + beyond * self.window / self.requests
        windows = ceil(beyond / self.requests)
        if self.counting == "sliding" or not windows:
            return windows * self.window
        return self.window - (begin + self.phase) % self.window + (windows - 1) * self.window


def simulate(
    pacer, service, calls, *, seed=0, latency=(0.001, 0.004), sending=0.0007, answering=0.0, begin=100.0, change=None
):
    """Send so many calls at once; returns the seconds it took, and how many requests were refused.

    `change` is a time after which it is called with the service.
    """
    chance, now, numbers = random.Random(seed), begin, count()
    waiting, events, done, refused = list(range(calls)), [], 0, 0

    def arrive(call, sent):
        nonlocal done, refused
        if service.admits(now):
            at(now + chance.uniform(*latency) + answering, lambda: answered(sent))
        else:
            refused += 1
            at(now + chance.uniform(*latency), lambda: rejected(call, sent))

    def answered(sent):
        nonlocal done
        done += 1
        pacer.admitted(sent, now)

    def rejected(call, sent):
        heapq.heappush(waiting, call)
        pacer.refused(sent, now)

    def at(time, event):
        heapq.heappush(events, (time, next(numbers), event))

    while done < calls:
        while events and events[0][0] <= now:
            heapq.heappop(events)[2]()
        if change and now >= begin + change[0]:
            change[1](service)
            change = None
        pacer.waiting = len(waiting)
        pacer.look(now)
        ready = pacer.ready_at(now) if waiting else inf
        if ready <= now:
            call, sent = heapq.heappop(waiting), pacer.begin(now, is_written=False)
            now += sending
            pacer.written(sent, now)
            at(now + chance.uniform(*latency), lambda call=call, sent=sent: arrive(call, sent))
            continue
        following = min(ready, events[0][0] if events else inf)
        assert done == calls or following < inf, "nothing will ever happen again"
        now = max(now, following) if done < calls else now
    return now - begin, refused
