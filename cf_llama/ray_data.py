"""Requests from Ray Data, for tables that outgrow one machine. It needs the `ray` extra.

account = Account(per_minute=300)
answered = dataset.map_batches(
    Ask, fn_constructor_kwargs={"prompt": "Translate into Dutch: {text}", "account": account}, concurrency=4
)
answered.write_parquet("translated")
print(account.spent())
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from cf_llama.config.rate_limit import RateLimit
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import (
    AuthenticationError,
    InvalidRequestError,
    MissingCredentialsError,
    NotFoundError,
    PermissionDeniedError,
    WorkersAIError,
)
from cf_llama.protocol.reply import Reply, Usage
from cf_llama.transport.limits.store import MemoryStore
from cf_llama.transport.prepare import prepare

COLUMNS = ("answer", "finish_reason", "prompt_tokens", "completion_tokens", "cost_usd", "error")
"""What is added to each row: `error` where there is no answer, and the others where there is one."""

_FATAL = (AuthenticationError, MissingCredentialsError, NotFoundError, PermissionDeniedError)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a job has come to so far; a batch that Ray does over again counts again, for it is billed again."""

    rows: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)

    def __str__(self) -> str:
        """One line for people."""
        usage = self.usage
        return f"{self.rows:,} rows, {self.failed:,} failed, {usage.total_tokens:,} tokens, ${usage.cost:.4f}"


class Account:
    """What all workers share: the account's rate limit, of which it is the store, and what has been spent.

    It is a Ray actor, which lives as long as this object does in the program that made it.

    Args:
        per_minute: Requests that all workers together may begin in a minute (Cloudflare docs: Workers AI limits, 300).

    Raises:
        ValueError: `per_minute` is below 1.
        ImportError: Ray is not installed.
    """

    def __init__(self, per_minute: int = 300) -> None:
        if per_minute < 1:
            raise ValueError(f"per_minute must be 1 or more, not {per_minute}")
        self.per_minute = per_minute
        self._ledger = _ray().remote(num_cpus=0)(Ledger).remote()

    def acquire(self, key: str, limit: RateLimit) -> float:
        """Take a place under the limit; see `cf_llama.config.rate_limit.RateLimitStore`."""
        # what is sent to the actor is the limit alone: its store is this object
        seconds: float = _ray().get(self._ledger.acquire.remote(key, RateLimit(limit.requests, limit.seconds)))
        return seconds

    def add(self, spent: Spent) -> None:
        """Put on the bill."""
        _ray().get(self._ledger.add.remote(spent))

    def spent(self) -> Spent:
        """What all workers have spent so far."""
        spent: Spent = _ray().get(self._ledger.spent.remote())
        return spent


class Ledger:
    """What the actor of an `Account` keeps; see there."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._spent = Spent()

    def acquire(self, key: str, limit: RateLimit) -> float:
        """Take a place: 0, or seconds after which to ask again."""
        return self._store.acquire(key, limit)

    def add(self, spent: Spent) -> None:
        """Put on the bill."""
        total = self._spent
        self._spent = Spent(total.rows + spent.rows, total.failed + spent.failed, total.usage + spent.usage)

    def spent(self) -> Spent:
        """The bill."""
        return self._spent


class Ask:
    """Sends a request for each row, for `map_batches` in its default format: columns as arrays.

    Every row comes back, with an answer or an error in the columns `COLUMNS`. What would fail for all rows alike (no
    credentials, wrong ones) is raised. Ray hands a worker no further rows before it is done with those it has, and a
    worker has at most `in_flight` requests under way.

    Args:
        prompt: The prompt, with columns in braces.
        messages: Or the column that holds messages, in the form of the service.
        system: A system message for all.
        settings: Fields of `cf_llama.Settings`. Workers find account and token in their environment.
        account: The limit and the bill that all workers share; a `rate_limit` in `settings` goes before its limit.
            None: each worker learns the limit by itself, and there is no bill.
        in_flight: Requests of one worker under way at a time.

    Raises:
        ValueError: not exactly one of `prompt` and `messages` is given, or a setting or a column is wrong.
        WorkersAIError: the service refuses the account.
    """

    def __init__(
        self,
        prompt: str | None = None,
        *,
        messages: str | None = None,
        system: str | None = None,
        settings: Mapping[str, Any] | None = None,
        account: Account | None = None,
        in_flight: int = 16,
    ) -> None:
        if (prompt is None) == (messages is None):
            raise ValueError("exactly one of prompt and messages must be given")
        if in_flight < 1:
            raise ValueError(f"in_flight must be 1 or more, not {in_flight}")
        self._prompt, self._messages, self._system = prompt, messages, system
        limit = {"rate_limit": RateLimit(account.per_minute, store=account)} if account else {}
        self._settings = Settings(**(limit | dict(settings or {})))
        self._account = account
        self._threads = ThreadPoolExecutor(in_flight, "cf-llama-ask")

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Ask for each row of a batch."""
        if not isinstance(batch, Mapping):
            raise TypeError(
                f"batch_format must be 'numpy', which is the default; a batch came as {type(batch).__name__}"
            )
        if taken := batch.keys() & set(COLUMNS):
            raise ValueError(f"columns {sorted(taken)} would be overwritten: rename them")
        answers = list(self._threads.map(self._row, _rows(batch)))
        if self._account:
            self._account.add(_bill(answers))
        columns = [_columns(answer) for answer in answers]
        return {**batch, **{name: [row[name] for row in columns] for name in COLUMNS}}

    def _row(self, row: Mapping[str, Any]) -> Reply | WorkersAIError:
        try:
            call = prepare(self._settings, {}, "cf_llama_ray", messages=self._messages_of(row))
            return call.transport.run(call.request)
        except _FATAL:
            raise
        except WorkersAIError as error:
            return error

    def _messages_of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        system = [{"role": "system", "content": self._system}] if self._system else []
        name = self._messages
        try:
            if name is not None:
                return [*system, *map(dict, row[name])]
            return [*system, {"role": "user", "content": str(self._prompt).format_map(row)}]
        except KeyError as missing:
            raise ValueError(f"there is no column {missing}; the columns are {sorted(row)}") from None
        except TypeError:
            raise InvalidRequestError(f"column {name!r} must hold lists of messages") from None


def _rows(batch: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    return (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))


def _columns(answer: Reply | WorkersAIError) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS)
    if isinstance(answer, WorkersAIError):
        return row | {"error": f"{type(answer).__name__}: {answer}"}
    usage = answer.usage or Usage()
    counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return row | {"answer": answer.text, "finish_reason": answer.finish_reason, "cost_usd": usage.cost} | counts


def _bill(answers: Sequence[Reply | WorkersAIError]) -> Spent:
    spent = Spent(len(answers))
    for answer in answers:
        if isinstance(answer, WorkersAIError):
            spent = replace(spent, failed=spent.failed + 1)
        else:
            spent = replace(spent, usage=spent.usage + (answer.usage or Usage()))
    return spent


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ImportError("cf_llama.ray_data needs Ray: pip install 'cf-llama[ray]'") from None
    return ray
