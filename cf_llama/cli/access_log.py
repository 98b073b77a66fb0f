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


def line_of(entry: AccessLogEntry) -> Text:
    """Return a request as one line; what matters most comes first, for a narrow terminal cuts its end off."""
    return Text(" ").join(Text(text, style) for text, style in _parts(entry))


def json_of(entry: AccessLogEntry) -> str:
    """Return a request as a JSON object: the fields of `AccessLogEntry`, the time in ISO 8601."""
    return json.dumps(dataclasses.asdict(entry) | {"time": entry.time.isoformat(timespec="milliseconds")})


class Lines(Console):
    """A console that falls silent once nobody reads any more; the server goes on."""

    def on_broken_pipe(self) -> None:
        """Write no more."""
        self.quiet = True


def printing(console: Lines, form: str) -> Callable[[AccessLogEntry], None]:
    """Return a function that prints a request in the form `text` or `json`; a terminal cuts text to its width."""
    if form == "json":
        return lambda entry: console.out(json_of(entry), highlight=False)
    cut: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if console.is_terminal else {"soft_wrap": True}
    return lambda entry: console.print(line_of(entry), **cut)


def _parts(entry: AccessLogEntry) -> Iterator[tuple[str, str]]:
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
