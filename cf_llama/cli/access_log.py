"""The lines that `cf-llama serve` prints, one for each request."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from cf_llama_emulator.server.access_log import AccessLogEntry

_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
"""Of a status, by its first digit."""


def format_line(entry: AccessLogEntry) -> Text:
    """Return a request as one line; what matters most comes first, for a narrow terminal cuts its end off."""
    return Text(" ").join(Text(text, style) for text, style in _fields(entry))


def format_json(entry: AccessLogEntry) -> str:
    """Return a request as a JSON object: the fields of `AccessLogEntry`, the time in ISO 8601."""
    return json.dumps(dataclasses.asdict(entry) | {"time": entry.time.isoformat(timespec="milliseconds")})


class AccessLogHandler(Console):
    """A console that stops writing once its reader is gone; the server goes on."""

    def on_broken_pipe(self) -> None:
        """Write no more."""
        self.quiet = True


def log_to_stdout(console: AccessLogHandler, form: str) -> Callable[[AccessLogEntry], None]:
    """Return a function that prints a request in the form `text` or `json`; a terminal cuts text to its width."""
    if form == "json":
        return lambda entry: console.out(format_json(entry), highlight=False)
    cut: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if console.is_terminal else {"soft_wrap": True}
    return lambda entry: console.print(format_line(entry), **cut)


def _fields(entry: AccessLogEntry) -> Iterator[tuple[str, str]]:
    status = "---" if entry.status is None else str(entry.status)
    yield f"{entry.time:%H:%M:%S}", "dim"
    yield entry.method, ""
    yield entry.route, "bold"
    yield status, _COLOURS.get((entry.status or 500) // 100, "red")
    if entry.stream:
        yield "stream", "cyan"
    if entry.hung_up:
        yield "client hung up", "magenta"
    yield f"{entry.milliseconds:.0f} ms", ""
    if entry.prompt_tokens is not None:
        yield f"{entry.prompt_tokens}+{entry.completion_tokens} tokens", ""
    if entry.faults:
        yield f"[{entry.faults}]", "red"
    if entry.model:
        yield entry.model.rpartition("/")[2], "dim"
