"""The file in which the command line records what its calls cost: JSON Lines, or SQLite by its name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from cf_llama.protocol.reply import Reply

_SQLITE_SUFFIXES = {".db", ".sqlite", ".sqlite3"}
_LOCK_TIMEOUT = 5.0  # seconds for another process to finish its entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one call cost."""

    time: str
    """ISO 8601, in UTC."""
    command: str
    host: str
    """Host of the service; calls of an emulator are recorded too, though they cost nothing."""
    model: str
    prompt_tokens: int
    completion_tokens: int
    neurons: float | None
    """None if the service did not report them."""
    cost_usd: float | None
    """US dollars at the published price; None for a model whose price is not known here."""


_NAMES = tuple(field.name for field in fields(Entry))
_CREATE = f"CREATE TABLE IF NOT EXISTS usage ({', '.join(_NAMES)})"
_INSERT = f"INSERT INTO usage ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608 - our own names
_SELECT = f"SELECT {', '.join(_NAMES)} FROM usage ORDER BY rowid"  # noqa: S608 - as above


def entry_of(reply: Reply, command: str, host: str) -> Entry | None:
    """The entry of a reply, with the present time; None if the service reported no usage."""
    if reply.usage is None:
        return None
    metadata = reply.metadata()
    return Entry(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        host=host,
        model=reply.model,
        prompt_tokens=reply.usage.prompt_tokens,
        completion_tokens=reply.usage.completion_tokens,
        neurons=metadata.get("neurons"),
        cost_usd=metadata.get("cost_usd"),
    )


class UsageFile:
    """A file of entries.

    Args:
        path: SQLite if it ends in .db, .sqlite or .sqlite3, else JSON Lines; the first entry creates it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self._is_sqlite = path.suffix.lower() in _SQLITE_SUFFIXES

    def append(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            OSError: the file cannot be written.
        """
        if self._is_sqlite:
            with _database(self.path) as database:
                database.execute(_CREATE)
                database.execute(_INSERT, astuple(entry))
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")

    def entries(self) -> Iterator[Entry]:
        """All entries in the order in which they were added; none where there is no file.

        Raises:
            OSError: the file cannot be read; the message names a line that is no entry.
        """
        if not self.path.exists():
            return
        if self._is_sqlite:
            with _database(self.path) as database:
                yield from (Entry(**dict(zip(_NAMES, row, strict=True))) for row in database.execute(_SELECT))
            return
        with self.path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield _entry(line, f"{self.path}, line {number}")


def _entry(line: str, where: str) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise OSError(f"{where} is no record of usage: {error}") from None


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT)) as database, database:
            yield database
    except sqlite3.Error as error:
        raise OSError(f"{path} cannot be used: {error}") from None
