"""A socket connected to a host within a time, whatever the system or the other side does.

asyncio does as much by itself; Python's own `create_connection` gives each address the whole time, and looks names up
for as long as the system likes.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Any

_SHORTEST_WAIT = 0.001  # seconds


def clock(seconds: float | None) -> Callable[[], float | None]:
    """Ask it for the seconds that are left of so many; None waits for ever."""
    if seconds is None:
        return lambda: None
    end = monotonic() + seconds
    return lambda: max(end - monotonic(), _SHORTEST_WAIT)


def is_address(host: str) -> bool:
    """Whether a host is named by its address, which needs no look-up and has no others beside it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def addresses_of(host: str, port: int, seconds: float | None) -> list[Any]:
    """Of a host. The system's look-up knows no time to wait, so a thread does it, and is left alone if it is late."""
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


def connected_to(addresses: list[Any], rest: Callable[[], float | None]) -> socket.socket:
    """A connection to the first address that answers; each but the last may take half of what is left of the time."""
    failure: OSError = OSError("the host has no address")
    for others_left, (family, kind, protocol, _, address) in zip(
        range(len(addresses) - 1, -1, -1), addresses, strict=True
    ):
        seconds = rest()
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
