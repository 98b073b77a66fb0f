"""Stores of a limit that several processes share, by pyrate-limiter: a file on one machine, Redis beyond it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import finalize

from cf_llama.config.rate_limit import SQLITE, RateLimit, RateLimitStore
from cf_llama.protocol.errors import ConnectionFailedError, InvalidRequestError, JournalError

if TYPE_CHECKING:
    from pyrate_limiter import AbstractBucket, Rate

_MARGIN, _SHORTEST_MARGIN, _LONGEST_MARGIN = 0.02, 0.1, 0.5  # share of the window; seconds
_LOCK_INTERVAL = 0.002  # seconds between attempts to lock the file
_TIMEOUT = 2.0  # seconds to wait for Redis


def open_store(url: str) -> RateLimitStore:
    """Open the store at a URL that `RateLimit` has checked.

    Raises:
        InvalidRequestError: the extra `limits` is not installed.
        JournalError: the file cannot be opened.
    """
    try:
        return SQLiteStore(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else RedisStore(url)
    except ImportError as error:
        text = f"a shared rate limit needs {error.name}: pip install 'cf-llama[limits]'"
        raise InvalidRequestError(text) from None


class _BucketStore:
    """Places out of buckets of pyrate-limiter, one for each key and limit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._buckets: dict[tuple[str, RateLimit], AbstractBucket] = {}
        self._taken = 0

    def acquire(self, key: str, limit: RateLimit) -> float:
        """Take a place under a limit; returns 0, or the seconds after which to ask again."""
        from pyrate_limiter import RateItem  # noqa: PLC0415 - an extra

        with self._lock, self._own_errors():
            bucket = self._buckets.get((key, limit))
            if bucket is None:
                bucket = self._buckets[key, limit] = self._bucket(key, _rate(limit))
            now: int = bucket.now()  # type: ignore[no-untyped-call]
            item = RateItem(key, now)
            if bucket.put(item):
                self._taken += 1
                if self._taken % limit.requests == 0:
                    bucket.leak(item.timestamp)
                return 0.0
            milliseconds: Any = bucket.waiting(item)
            return max(1.0, float(milliseconds)) / 1000

    def _bucket(self, key: str, rate: Rate) -> AbstractBucket:
        raise NotImplementedError

    def _own_errors(self) -> AbstractContextManager[None]:
        """Turns failures of the store into errors of this package."""
        raise NotImplementedError


def _rate(limit: RateLimit) -> Rate:
    """The limit with a margin, as one request may travel faster than another."""
    from pyrate_limiter import Rate  # noqa: PLC0415 - an extra

    margin = min(_LONGEST_MARGIN, max(_SHORTEST_MARGIN, _MARGIN * limit.seconds))
    return Rate(limit.requests, round(1000 * (limit.seconds + margin)))


class MemoryStore(_BucketStore):
    """Places in the memory of one process, such as an actor that others call."""

    def _bucket(self, key: str, rate: Rate) -> AbstractBucket:  # noqa: ARG002 - buckets are kept by key
        from pyrate_limiter import InMemoryBucket  # noqa: PLC0415 - an extra

        return InMemoryBucket([rate])

    def _own_errors(self) -> AbstractContextManager[None]:
        return nullcontext()


class SQLiteStore(_BucketStore):
    """Places in an SQLite file, for the processes of one machine.

    Args:
        path: The file; a file beside it, `path.lock`, is locked while a place is taken.
    """

    def __init__(self, path: str) -> None:
        from filelock import FileLock  # noqa: PLC0415 - an extra
        from pyrate_limiter import SQLiteBucket  # noqa: PLC0415 - an extra

        super().__init__()
        self._path, self._class = path, SQLiteBucket
        self._file_lock = FileLock(f"{path}.lock", poll_interval=_LOCK_INTERVAL, thread_local=False)
        with self._own_errors():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with self._file_lock:
                self._database = sqlite3.connect(path, check_same_thread=False)
                finalize(self, self._database.close)  # or Python 3.13 warns
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=OFF")  # what is lost in a power failure is a minute old

    def _bucket(self, key: str, rate: Rate) -> AbstractBucket:
        table = f"places_{key}"
        with self._file_lock:
            self._database.execute(f"CREATE TABLE IF NOT EXISTS '{table}' (name VARCHAR, item_timestamp INTEGER)")
            self._database.execute(f"CREATE INDEX IF NOT EXISTS 'of_{table}' ON '{table}' (item_timestamp)")
            self._database.commit()
        return self._class([rate], self._database, table=table, lock=self._file_lock)

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            text = f"the rate limit cannot be shared by {self._path}: {reason}; check the file and its permissions"
            raise JournalError(text) from None


class RedisStore(_BucketStore):
    """Places in Redis, for several machines, whose clocks must agree to a small part of the window."""

    def __init__(self, url: str) -> None:
        import redis  # noqa: PLC0415 - an extra
        from pyrate_limiter import RedisBucket  # noqa: PLC0415 - an extra

        super().__init__()
        self._class, self._errors = RedisBucket, redis.exceptions
        self._host = urlsplit(url).hostname or "this machine"
        self._client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)

    def acquire(self, key: str, limit: RateLimit) -> float:
        """Take a place under a limit; see `_BucketStore`."""
        try:
            return super().acquire(key, limit)
        except self._errors.NoScriptError:  # the server was restarted
            self._buckets.clear()
            return super().acquire(key, limit)

    def _bucket(self, key: str, rate: Rate) -> AbstractBucket:
        bucket: Any = self._class.init([rate], self._client, f"cf-llama:{key}")
        return bucket  # type: ignore[no-any-return]

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except self._errors.NoScriptError:
            raise
        except self._errors.RedisError as error:
            text = (
                f"the rate limit cannot be shared by Redis on {self._host}: {type(error).__name__}; check that it runs"
            )
            raise ConnectionFailedError(text) from None
