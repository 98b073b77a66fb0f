"""Calls of a command: they show that they wait, and record what they cost."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from cf_llama.cli.usage_file import UsageFile, entry_of
from cf_llama.cli.waiting import waiting_line
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.protocol.reply import Delta, Reply
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.transport import Transport


class Client:
    """Sends the requests of one command.

    Args:
        settings: Where to send them.
        command: Name of the command, for the record of usage.
        usage_file: Where usage is recorded; None records nothing.

    Raises:
        MissingCredentialsError: the account or the token is missing.
        InvalidRequestError: one of them is malformed.
    """

    def __init__(self, settings: Settings, command: str, usage_file: Path | None) -> None:
        self.transport = Transport(settings.connection("cf_llama_cli"), settings.http_client)
        self._limits = partial(self.transport.limits, settings.model)
        self._command = command
        self._usage_file = UsageFile(usage_file) if usage_file else None
        self._console = Console(stderr=True)

    def run(self, request: ChatRequest) -> Reply:
        """Send a request and return the whole reply.

        Raises:
            WorkersAIError: the call failed.
        """
        with self._recording_failures(), waiting_line(self._console, self._limits):
            reply = self.transport.run(request)
        self._record(reply)
        return reply

    def stream(self, request: ChatRequest) -> Generator[Delta, None, None]:
        """Send a request and yield its reply in deltas; the last delta has the whole reply.

        Raises:
            WorkersAIError: the call failed.
        """
        with self._recording_failures(), closing(self.transport.stream(request)) as deltas:
            with waiting_line(self._console, self._limits):
                delta = next(deltas)
            while not delta.reply:
                yield delta
                delta = next(deltas)
            self._record(delta.reply)
            yield delta

    @contextmanager
    def _recording_failures(self) -> Iterator[None]:
        try:
            yield
        except WorkersAIError as error:
            if error.partial:
                self._record(error.partial)
            raise

    def _record(self, reply: Reply) -> None:
        """Record a reply; an answer is never lost because its cost cannot be recorded."""
        entry = entry_of(reply, self._command, self.transport.connection.host)
        if self._usage_file is None or entry is None:
            return
        try:
            self._usage_file.append(entry)
        except OSError as error:
            click.echo(f"Warning: usage is not recorded: {error}", err=True)
