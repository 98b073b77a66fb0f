"""The server's process, as the benchmark sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import ProxyHandler, build_opener

from cf_llama.protocol.model import MODEL

ACCOUNT_ID = "a" * 32
TOKEN = "t" * 40
_straight = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Service:
    """Where the server listens."""

    port: int

    @property
    def base_url(self) -> str:
        """As a model wants it."""
        return f"http://127.0.0.1:{self.port}/client/v4"

    @property
    def run_url(self) -> str:
        """The native route."""
        return f"{self.base_url}/accounts/{ACCOUNT_ID}/ai/run/{MODEL}"

    @property
    def openai_url(self) -> str:
        """The base of the OpenAI route."""
        return f"{self.base_url}/accounts/{ACCOUNT_ID}/ai/v1"

    def connections(self) -> int:
        """How many connections were ever opened, without those that asked for this number."""
        with _straight.open(f"http://127.0.0.1:{self.port}/connections") as answer:
            self._pending.append(1)
            return int(answer.read()) - len(self._pending)

    @property
    def _pending(self) -> list[int]:
        return _QUESTIONS.setdefault(self.port, [])


_QUESTIONS: dict[int, list[int]] = {}


@contextmanager
def service() -> Iterator[Service]:
    """Start the server in a process of its own, and end it."""
    command = [sys.executable, "-m", "benchmarks.speed.server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    try:
        if process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        yield Service(int(process.stdout.readline()))
    finally:
        process.communicate(timeout=30)  # closes its input, which ends it
