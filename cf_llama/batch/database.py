"""An SQLite file whose every failure is a `JournalError` that names the file and says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cf_llama.protocol.errors import JournalError

_ADVICE = {
    "database is locked": "another process has it open: wait for that to end, or name another file",
    "file is not a database": "it is something else: name another file",
    "database disk image is malformed": "it is damaged: restore a copy, or begin again with a new file",
    "database or disk is full": "make room on the disk; the same command then goes on from there",
    "disk I/O error": "check the disk and its permissions; the same command then goes on from there",
    "attempt to write a readonly database": "make it writable, or name another file",
    "unable to open database file": "its folder must exist and be writable",
}


class Database:
    """A connection to one file, in autocommit mode."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with self._map_errors():
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=1)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement that returns no rows."""
        with self._map_errors():
            return self._connection.execute(statement, parameters)

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query, as they are read."""
        with self._map_errors():
            yield from self._connection.execute(statement, parameters)

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of the parameters."""
        with self._map_errors():
            self._connection.executemany(statement, parameters)

    def execute_script(self, statements: str) -> None:
        """Run several statements."""
        with self._map_errors():
            self._connection.executescript(statements)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of the block's statements, or none."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled it back already
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            advice = next((advice for text, advice in _ADVICE.items() if text in str(error)), "")
            raise JournalError(f"the journal {self._path} cannot be used: {error}{advice and '; ' + advice}") from None
