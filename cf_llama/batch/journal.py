"""The state of a job: one SQLite file in which every row is in exactly one state.

A row is new, then held (taken to be packed), sending, queued, and at last answered or failed. What is committed is on
the disk: SQLite's write-ahead log is flushed before a batch is sent, and again when its id is known.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from cf_llama.batch.actions import Ticket
from cf_llama.batch.database import Database
from cf_llama.batch.payloads import Item, Outcome
from cf_llama.protocol.errors import InvalidRequestError, JournalError, WorkersAIError
from cf_llama.protocol.reply import Reply, Usage
from cf_llama.protocol.request import ChatRequest

NEW, HELD, SENDING, QUEUED, ANSWERED, FAILED = range(6)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS row (
    id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, request TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, doubtful INTEGER NOT NULL DEFAULT 0, batch INTEGER, result TEXT);
CREATE INDEX IF NOT EXISTS by_state ON row (state, id);
CREATE INDEX IF NOT EXISTS by_batch ON row (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_doubt ON row (doubtful) WHERE doubtful;
CREATE TABLE IF NOT EXISTS batch (id INTEGER PRIMARY KEY, request_id TEXT, model TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Progress(NamedTuple):
    """Progress of a job."""

    rows: int
    answered: int
    failed: int
    doubtful: int
    """Rows that may have been sent and billed twice, or that were given up for that."""
    usage: Usage


class Journal:
    """The file of a job, locked against other processes.

    Every method raises `JournalError` where the file cannot be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        """Open or create the file.

        Raises:
            JournalError: another process has it open, it is no journal, or the disk fails.
        """
        self._database = Database(path)
        try:
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.execute_script(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")
        except JournalError:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; it can be opened again, also after a kill without this."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def add(self, items: Iterable[Item]) -> int:
        """Add rows, all or none; existing ones stay unchanged.

        Returns:
            How many are new.

        Raises:
            InvalidRequestError: a reference is there, or comes twice, with different requests.
        """
        with self._database.transaction():
            return sum(self._put(item) for item in items)

    def _put(self, item: Item) -> bool:
        text = _request_text(item.request)
        insert = "INSERT OR IGNORE INTO row (reference, request) VALUES (?, ?)"
        if self._database.execute(insert, (item.reference, text)).rowcount:
            return True
        query = "SELECT request FROM row WHERE reference = ?"
        if next(self._database.query(query, (item.reference,)))[0] != text:
            raise InvalidRequestError(
                f"the row {item.reference!r} is there already, with another request or other settings"
            )
        return False

    def recover(self, *, again: bool) -> None:
        """Recover from a kill: rows that may have been sent are sent again, or fail, and are marked doubtful."""
        doubt = json.dumps(_error(_DOUBT)) if not again else None
        with self._database.transaction():
            self._database.execute("UPDATE row SET state = ? WHERE state = ?", (NEW, HELD))
            self._database.execute(
                "UPDATE row SET state = ?, doubtful = 1, batch = NULL, result = ? WHERE state = ?",
                (NEW if again else FAILED, doubt, SENDING),
            )

    def take(self, count: int) -> list[Item]:
        """Return the next new rows."""
        query = "SELECT id, reference, request FROM row WHERE state = ? ORDER BY id LIMIT ?"
        rows = list(self._database.query(query, (NEW, count)))
        with self._database.transaction():
            self._database.execute_many("UPDATE row SET state = ? WHERE id = ?", [(HELD, row[0]) for row in rows])
        return [Item(reference, _request(text)) for _, reference, text in rows]

    def sending(self, items: Sequence[Item], model: str) -> int:
        """Note that a batch is about to be sent; return its number."""
        with self._database.transaction():
            batch = self._database.execute("INSERT INTO batch (model) VALUES (?)", (model,)).lastrowid or 0
            self._mark(items, SENDING, batch)
        return batch

    def not_sent(self, items: Sequence[Item]) -> None:
        """Note that the service refused a batch."""
        with self._database.transaction():
            self._mark(items, HELD, None)

    def queued(self, batch: int, request_id: str, items: Sequence[Item]) -> None:
        """Note that the service took a batch, and its id."""
        with self._database.transaction():
            self._database.execute("UPDATE batch SET request_id = ? WHERE id = ?", (request_id, batch))
            self._mark(items, QUEUED, batch)

    def waiting(self) -> Iterator[tuple[Ticket, list[Item]]]:
        """The batches that the service has taken, with their rows in the order they were sent in."""
        query = "SELECT id, request_id, model FROM batch WHERE id IN (SELECT batch FROM row WHERE state = ?)"
        for batch, request_id, model in list(self._database.query(query, (QUEUED,))):
            rows = self._database.query("SELECT reference, request FROM row WHERE batch = ? ORDER BY id", (batch,))
            items = [Item(reference, _request(text)) for reference, text in rows]
            yield Ticket(request_id, model, tuple(item.reference for item in items)), items

    def settle(self, ended: Sequence[Outcome], again: Sequence[Outcome], doubtful: set[str], spent: Usage) -> None:
        """Note outcomes: those that ended, those to be asked again, which of all are doubtful, and what they used."""
        if not (ended or again or spent.total_tokens):
            return
        with self._database.transaction():
            self._database.execute_many(
                "UPDATE row SET state = ?, result = ?, attempts = attempts + 1, batch = NULL WHERE reference = ?",
                [(FAILED if each.error else ANSWERED, json.dumps(_result(each)), each.reference) for each in ended],
            )
            self._database.execute_many(
                "UPDATE row SET state = ?, attempts = attempts + 1, batch = NULL WHERE reference = ?",
                [(NEW, each.reference) for each in again],
            )
            doubts = [(reference,) for reference in doubtful]
            self._database.execute_many("UPDATE row SET doubtful = 1 WHERE reference = ?", doubts)
            self.note("usage", dataclasses.asdict(self.usage + spent))

    def attempts(self, reference: str) -> int:
        """How often a row was sent without success."""
        [found] = self._database.query("SELECT attempts FROM row WHERE reference = ?", (reference,))
        return int(found[0])

    def results(self) -> Iterator[dict[str, Any]]:
        """Each row that has ended, in the order they were added: its reference, and its answer or error."""
        query = "SELECT reference, result, doubtful FROM row WHERE state IN (?, ?) ORDER BY id"
        for reference, result, doubtful in self._database.query(query, (ANSWERED, FAILED)):
            yield {"reference": reference} | json.loads(result) | ({"doubtful": True} if doubtful else {})

    @property
    def progress(self) -> Progress:
        """Progress of the job."""
        counts = dict(self._database.query("SELECT state, COUNT(*) FROM row GROUP BY state"))
        [(doubtful,)] = self._database.query("SELECT COUNT(*) FROM row WHERE doubtful")
        return Progress(sum(counts.values()), counts.get(ANSWERED, 0), counts.get(FAILED, 0), doubtful, self.usage)

    @property
    def usage(self) -> Usage:
        """Usage of all results."""
        return Usage(**self.fact("usage", {}))

    def fact(self, name: str, default: Any) -> Any:
        """Return a fact about the job."""
        found = next(self._database.query("SELECT value FROM fact WHERE name = ?", (name,)), None)
        return json.loads(found[0]) if found else default

    def note(self, name: str, value: Any) -> None:
        """Store a fact about the job."""
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(value)))

    def _mark(self, items: Sequence[Item], state: int, batch: int | None) -> None:
        rows = [(state, batch, item.reference) for item in items]
        self._database.execute_many("UPDATE row SET state = ?, batch = ? WHERE reference = ?", rows)


_DOUBT = WorkersAIError("the batch was being sent when the job was killed; whether the service took it is not known")


def _request_text(request: ChatRequest) -> str:
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return json.dumps({name: value for name, value in fields.items() if value not in (None, (), {})})


def _request(text: str) -> ChatRequest:
    fields = json.loads(text)
    return ChatRequest(**fields | {"stop": tuple(fields.get("stop", ()))})


def _result(outcome: Outcome) -> dict[str, Any]:
    return _error(outcome.error) if outcome.error else _reply(outcome.reply or Reply())


def _reply(reply: Reply) -> dict[str, Any]:
    result: dict[str, Any] = {"text": reply.text, "finish_reason": reply.finish_reason}
    if reply.tool_calls:
        result["tool_calls"] = [dataclasses.asdict(call) for call in reply.tool_calls]
    if reply.usage:
        result["usage"] = dataclasses.asdict(reply.usage) | ({"is_share": True} if reply.usage_is_share else {})
    return result


def _error(error: WorkersAIError) -> dict[str, Any]:
    details = {"kind": type(error).__name__, "message": error.message, "code": error.code, "status": error.status}
    return {"error": {name: value for name, value in details.items() if value is not None}}
