"""A server that answers as fast as Python can: the service's routes without a thought, in a process of its own."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

from benchmarks.speed import answers
from benchmarks.speed.affinity import stay_on
from benchmarks.speed.task import Task, last_report

CONNECTIONS = b"GET /connections"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')
_TOOL = re.compile(rb'"name": ?"(\w+)"')
_TOOLS = re.compile(rb'"tools": ?\[')


class Server:
    """What all connections share."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked = 0
        """Since somebody last wanted to know of the connections, which is how a measurement begins."""


class Connection(asyncio.Protocol):
    """One client's connection; it may ask again and again."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer each request that has come whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) >= len(b"\r\n\r\n"):
            head = self._received[:end]
            length = _LENGTH.search(head)
            last = end + int(length[1]) if length else end
            if len(self._received) < last:
                return
            body, self._received = self._received[end:last], self._received[last:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(CONNECTIONS):
            self._server.asked = 0
            count = str(self._server.connections).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(count), count))
            return
        task = last_report(body)
        self._server.asked += 1
        if task.refuse and self._server.asked % task.refuse == 0:
            self._transport.write(answers.refusal())
        elif not task.latency:
            self._send(task, head, body)
        else:
            asyncio.get_running_loop().call_later(task.latency / 1000, self._send, task, head, body)

    def _send(self, task: Task, head: bytes, body: bytes) -> None:
        route: answers.Route = "openai" if b"/chat/completions" in head[: head.find(b"\r\n")] else "native"
        if not _STREAM.search(body):
            self._transport.write(answers.whole(route, task.kind, _form_tool(body) if task.kind == "form" else None))
        elif task.pace:
            first, events = answers.stream(route, task.kind, task.events)
            self._transport.write(first)
            self._pace(events, 0, task.pace / 1000, asyncio.get_running_loop().time())
        else:
            self._transport.write(answers.stream_at_once(route, task.kind, task.events))

    def _pace(self, events: tuple[bytes, ...], number: int, pause: float, begun: float) -> None:
        if not self._transport.is_closing():
            self._transport.write(events[number])
            if number + 1 < len(events):
                loop = asyncio.get_running_loop()
                loop.call_at(begun + (number + 1) * pause, self._pace, events, number + 1, pause, begun)


def _form_tool(body: bytes) -> str | None:
    tools = _TOOLS.search(body)
    name = _TOOL.search(body, tools.end()) if tools else None
    return name[1].decode() if name else None


async def main() -> None:
    """Say the port, and serve until whoever asked for it closes our input or dies."""
    loop, shared = asyncio.get_running_loop(), Server()
    listening = await loop.create_server(lambda: Connection(shared), "127.0.0.1", 0, backlog=4096)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    stay_on(-1)
    asyncio.run(main())
