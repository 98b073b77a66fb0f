"""Access to the TCP connection of a request, so that faults can break it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

EXTENSION = "cf_llama_emulator.transport"
"""Name of the transport in the extensions of an ASGI scope."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class TransportConnection:
    """A line over asyncio's transport; without one (an application called in its own process) it does nothing."""

    transport: asyncio.Transport | None
    cut: bool = False
    """Whether it was ended from this side."""

    @property
    def ended(self) -> bool:
        """Whether the connection is closed."""
        return self.transport is not None and self.transport.is_closing()

    def close(self) -> None:
        """End the connection after what has been written."""
        self.cut = True
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.cut = True
        if self.transport is not None:
            under: socket.socket = self.transport.get_extra_info("socket")
            under.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


def connection_of(scope: Mapping[str, Any]) -> TransportConnection:
    """Return the connection of a request."""
    return TransportConnection(scope.get("extensions", {}).get(EXTENSION))


class Protocol(H11Protocol):
    """uvicorn's own protocol; it tells the application about the connection as well."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Take a new connection."""
        super().connection_made(transport)
        app = self.app

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:
            await app(scope | {"extensions": scope.get("extensions", {}) | {EXTENSION: transport}}, receive, send)

        self.app = with_connection
