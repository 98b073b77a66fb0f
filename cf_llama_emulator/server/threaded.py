"""An emulator on a port of this machine, in its own thread: for tests, notebooks and the demonstration."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.faults import combined
from cf_llama_emulator.faults.connection import Protocol
from cf_llama_emulator.server.app import create_app
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.server.request_log import LoggedRequest
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN, Settings
from cf_llama_emulator.wire.engine_protocol import Engine

LOOPBACK = "127.0.0.1"
_WITHIN = {"0.0.0.0": LOOPBACK, "::": "::1"}
"""Where a server that listens on every address is reached from its own machine."""


def serve(engine: Engine | None = None, *, host: str = LOOPBACK, port: int = 0, **settings: Any) -> RunningEmulator:
    """Start an emulator and return it; use it in a `with` statement, or call its `close`.

    Args:
        engine: What answers; the rule engine by default.
        host: The address to listen on. Anything but loopback lets others in: name them in `hosts` as well.
        port: The port to listen on; 0 takes a free one.
        settings: Fields of `Settings`, e.g. `shape="hybrid"` or `faults="latency=0.2, jitter"`.

    Raises:
        ValueError: when a setting is not what it can be.
        OSError: when the port is taken.
    """
    return RunningEmulator(Emulator(engine or RuleEngine(), Settings(**settings)), host, port)


def server_config(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """Return how uvicorn serves `app`: without uvicorn's logs and headers; a second for the last answers."""
    defaults = {"lifespan": "off", "http": Protocol}
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=1,
        **{**defaults, **options},
    )


class RunningServer:
    """A started server."""

    def __init__(self, app: ASGIApp, host: str, port: int, **options: Any) -> None:
        """Serve `app` until `close`; `options` are those of uvicorn."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        # asyncio does so only for sockets that name their protocol; without it each answer waits 40 ms for an ACK
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = self._socket.getsockname()
        self._server = _Server(server_config(app, **options))
        self._thread = threading.Thread(target=self._run, name="cf-llama-emulator", daemon=True)
        self._thread.start()
        self._server.is_up.wait()

    @property
    def base_url(self) -> str:
        """The address to give to a client on this machine, ending in `/client/v4`."""
        host, port = self._address[:2]
        host = _WITHIN.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/client/v4"

    def close(self) -> None:
        """Stop serving; answers under way are cut off after a second."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        # A runner closes its loop, and with it every socket, before the thread ends.
        with asyncio.Runner() as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class RunningEmulator(RunningServer):
    """A started emulator."""

    def __init__(self, emulator: Emulator, host: str, port: int) -> None:
        """Serve `emulator` until `close`."""
        self._emulator = emulator
        super().__init__(create_app(emulator), host, port)

    @property
    def playground_url(self) -> str | None:
        """The address of the playground for a browser on this machine; None if it is off."""
        return self.base_url.removesuffix("client/v4") if self._emulator.settings.playground else None

    @property
    def account_id(self) -> str:
        """An account that is served."""
        return self._emulator.settings.account_id or ACCOUNT_ID

    @property
    def api_token(self) -> str:
        """A valid token."""
        return self._emulator.settings.api_token or API_TOKEN

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests seen so far, oldest first."""
        return self._emulator.requests

    def faults(self, *texts: str) -> None:
        """Set faults for the next requests, one text of `name[=value], ...` for each.

        Raises:
            ValueError: when a name is not known or a value is not allowed.
        """
        combined(texts)
        self._emulator.next_faults.extend(texts)

    def close(self) -> None:
        """Stop serving; answers under way are cut off after a second.

        Raises:
            BaseException: whatever a function of a `ScriptEngine` raised, e.g. an `AssertionError`.
        """
        super().close()
        self._emulator.scripted.raise_failure()


class _Server(uvicorn.Server):
    """A server that reports when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()
