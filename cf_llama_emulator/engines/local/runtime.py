"""llama.cpp in this process: loading a GGUF file, and decoding as a stream of events."""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW

READING_STEP = 256
"""Tokens of the prompt that are read between two looks at whether anyone still wants the answer."""
REMEMBERED_PROMPTS = 512
"""MiB of earlier prompts that are kept read, so that a conversation is not read from its beginning at each turn."""


class LocalModelError(RuntimeError):
    """The local model cannot be loaded; the message says what to do."""


class Runtime:
    """A loaded model. Requests that come at the same time wait for each other."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load the GGUF file at `path`.

        Args:
            path: The file.
            threads: Threads to think with. By default one less than there are cores: with all of them on a busy
                machine llama.cpp's threads wait for each other and are many times slower.

        Raises:
            LocalModelError: when there is no such file, xllamacpp is missing, or it cannot load the file.
        """
        if not path.is_file():
            raise LocalModelError(f"there is no file {path}")
        xllamacpp = _import_runtime()
        try:
            self._server = xllamacpp.Server(_parameters(xllamacpp, path, threads or default_threads()))
        except RuntimeError as error:
            raise LocalModelError(f"llama.cpp cannot load {path}: {error}") from error

    async def decode(self, body: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any]]:
        """Yield llama.cpp's events for `body`, a chat or (with `prompt`) a completion; closing this stops the decoding.

        Raises:
            ValueError: for a body that llama.cpp refuses.
        """
        handle = self._server.handle_completions if "prompt" in body else self._server.handle_chat_completions
        relay = _Relay()
        work = asyncio.get_running_loop().run_in_executor(None, relay.run, handle, dict(body))
        try:
            while (event := await relay.events.get()) is not None:
                yield event
        finally:
            relay.stopped.set()
        await work


class _Relay:
    """Carries events from the thread that decodes to the loop that waits for them."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self.stopped = threading.Event()
        self._loop = asyncio.get_running_loop()

    def run(self, handle: Any, body: dict[str, Any]) -> None:
        try:
            if not self.stopped.is_set():
                handle(body, self._pass_on)
        finally:
            self._post(None)

    def _pass_on(self, event: Mapping[str, Any]) -> bool:
        """Pass `event` on and say whether to stop."""
        return self.stopped.is_set() or not self._post(event)

    def _post(self, event: Mapping[str, Any] | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:  # the loop is closed: no caller waits any more
            return False
        return True


def default_threads() -> int:
    """One less than the cores this process may use, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def _import_runtime() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ModuleNotFoundError as error:
        if error.name != "xllamacpp":
            raise
        raise LocalModelError("xllamacpp is missing; install it with `pip install 'cf-llama[local]'`") from error
    except ImportError as error:
        hint = " (on Debian and Ubuntu: `apt-get install libgomp1`)" if "libgomp" in str(error) else ""
        raise LocalModelError(f"xllamacpp does not start on this machine: {error}{hint}") from error


def _parameters(xllamacpp: Any, path: Path, threads: int) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT_WINDOW
    parameters.n_batch = parameters.n_ubatch = READING_STEP
    parameters.cache_ram_mib = REMEMBERED_PROMPTS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.warmup = False
    parameters.verbosity = -1
    # The runtime listens on a loopback port as well and no option prevents it: others are refused.
    parameters.api_keys = [secrets.token_urlsafe()]
    parameters.cors_origins = ""
    parameters.ui = False
    return parameters
