"""A server with a rate limit or a capacity, without Retry-After.

Run it as `python -m benchmarks.goodput.server KIND LIMIT SECONDS`. It is not the emulator, so that it shares no
mistake with it. KIND is fixed, sliding, bucket or capacity; with capacity, LIMIT requests may be under way at once,
each for SECONDS. It prints its port, and ends when its input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from time import time

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
NATIVE = {"result": {"response": "Hi there", "usage": USAGE}, "success": True, "errors": [], "messages": []}
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi there"}}
OPENAI = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE], "usage": USAGE}
CODES = {"capacity": (3040, "Capacity temporarily exceeded, please try again.")}
TOO_MANY = (3021, "rate limited")
LATENCY = 0.1
"""Seconds that an answer takes under a rate limit."""


class Limit:
    """Counts requests in one of the ways; those that it refuses do not count."""

    def __init__(self, kind: str, limit: int, seconds: float) -> None:
        self.kind, self.limit, self.seconds = kind, limit, seconds
        self.latency = seconds if kind == "capacity" else LATENCY
        self.under_way = self.refused = self.admitted = 0
        self._times: deque[float] = deque()
        self._tokens, self._at = float(limit), time()

    def admits(self) -> bool:
        """Whether a request that comes now is answered."""
        fits: bool = getattr(self, f"_{self.kind}")(time())
        self.admitted += fits
        self.refused += not fits
        return fits

    def _capacity(self, _: float) -> bool:
        return self.under_way < self.limit

    def _sliding(self, now: float) -> bool:
        return self._fits(now, now - self.seconds)

    def _fixed(self, now: float) -> bool:
        return self._fits(now, now // self.seconds * self.seconds)

    def _fits(self, now: float, begin: float) -> bool:
        while self._times and self._times[0] < begin:
            self._times.popleft()
        fits = len(self._times) < self.limit
        if fits:
            self._times.append(now)
        return fits

    def _bucket(self, now: float) -> bool:
        self._tokens = min(self.limit, self._tokens + (now - self._at) * self.limit / self.seconds)
        self._at = now
        fits = self._tokens >= 1
        self._tokens -= fits
        return fits


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: Limit) -> None:
    """Answer the requests of one connection."""
    while head := await _head(reader):
        target = head.split(b" ", 2)[1].decode()
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        if target == "/counts":
            _send(writer, 200, {"admitted": limit.admitted, "refused": limit.refused})
        elif limit.admits():
            limit.under_way += 1
            await asyncio.sleep(limit.latency)
            limit.under_way -= 1
            _send(writer, 200, OPENAI if target.endswith("/chat/completions") else NATIVE)
        else:
            code, message = CODES.get(limit.kind, TOO_MANY)
            _send(writer, 429, {"success": False, "errors": [{"code": code, "message": message}], "result": {}})
    writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        return b""


def _send(writer: asyncio.StreamWriter, status: int, content: object) -> None:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def main() -> None:
    """Serve until the input is closed."""
    kind, number, seconds = sys.argv[1:]
    limit = Limit(kind, int(number), float(seconds))
    server = await asyncio.start_server(lambda *ends: answer(*ends, limit), "127.0.0.1", 0, backlog=2_000)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
