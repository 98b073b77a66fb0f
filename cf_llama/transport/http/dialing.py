"""Connects a socket to a host within a timeout, whatever the system or the other side does.

Python's own `create_connection` gives each address the whole time, and looks names up for as long as the system likes.
asyncio's tries several addresses side by side, which uvloop's cannot, and loses the socket of one that has connected
when it is cancelled.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Any

_SHORTEST_TIMEOUT = 0.001  # seconds
_ATTEMPT_DELAY = 0.25  # seconds that an address has before the next is tried beside it; RFC 8305, section 5


def deadline_clock(seconds: float | None) -> Callable[[], float | None]:
    """Return a function that gives the seconds left of a timeout; None means no timeout."""
    if seconds is None:
        return lambda: None
    end = monotonic() + seconds
    return lambda: max(end - monotonic(), _SHORTEST_TIMEOUT)


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which needs no DNS lookup."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def resolve(host: str, port: int, seconds: float | None) -> list[Any]:
    """Resolve a host. The system's lookup has no timeout, so a thread does it, and is abandoned if it is late."""
    if is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(error)

    Thread(target=look_up, name="cf-llama look-up", daemon=True).start()
    return found.result(seconds)


def connect_to_any(addresses: list[Any], remaining: Callable[[], float | None]) -> socket.socket:
    """Connect to the first address that answers; each but the last gets half of the remaining time."""
    failure: OSError = OSError("the host has no address")
    for others_left, (family, kind, protocol, _, address) in zip(
        range(len(addresses) - 1, -1, -1), addresses, strict=True
    ):
        seconds = remaining()
        attempt = socket.socket(family, kind, protocol)
        try:
            attempt.settimeout(seconds / 2 if seconds and others_left else seconds)
            attempt.connect(address)
        except OSError as error:
            attempt.close()
            failure = error
        except BaseException:
            attempt.close()
            raise
        else:
            return attempt
    raise failure


async def async_resolve(host: str, port: int) -> list[Any]:
    """Resolve a host in a thread of the event loop; a late lookup is abandoned."""
    if is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def async_connect_to_any(addresses: list[Any]) -> socket.socket:
    """Connect to the first address that answers; the next one is tried after a failure or a head start."""
    if len(addresses) == 1:
        return await _attempt(addresses[0])
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        for others_left in range(len(addresses) - 1, -1, -1):
            attempts.append(asyncio.create_task(_attempt(addresses[len(attempts)])))
            if winner := await _winner(attempts, _ATTEMPT_DELAY if others_left else None):
                attempts.remove(winner)
                return winner.result()
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close)
            attempt.cancel()
    raise (attempts and attempts[-1].exception()) or OSError("the host has no address")


async def _winner(
    attempts: list[asyncio.Task[socket.socket]], head_start: float | None
) -> asyncio.Task[socket.socket] | None:
    """Return the attempt that has connected; None if the next one is due, or all have failed."""
    while running := [attempt for attempt in attempts if not attempt.done()]:
        await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
        winner = next((attempt for attempt in attempts if attempt.done() and not attempt.exception()), None)
        if winner or head_start is not None:
            return winner
    return None


async def _attempt(address: Any) -> socket.socket:
    family, kind, protocol, _, where = address
    attempt = socket.socket(family, kind, protocol)
    try:
        attempt.setblocking(False)
        await asyncio.get_running_loop().sock_connect(attempt, where)
    except BaseException:
        attempt.close()
        raise
    return attempt


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and not attempt.exception():
        attempt.result().close()
