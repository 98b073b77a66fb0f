"""A limit that several processes keep together: each takes its places from a store."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cf_llama import ConnectionFailedError, InvalidRequestError, JournalError, RateLimit, Settings, Transport
from cf_llama.transport.limits.shared import SharedPacer
from cf_llama.transport.limits.store import MemoryStore, RedisStore, SQLiteStore, open_store
from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.server import serve
from tests.cf_llama.transport.limits.test_gate import HI, by_tasks, by_threads

PROCESS = Path(__file__).parent / "sharing_process.py"


class Log:
    """A store that counts any window on a clock of the test's own."""

    def __init__(self):
        self.now, self.taken, self.failure = 0.0, [], None

    def acquire(self, key, limit):
        if self.failure:
            raise self.failure
        recent = [at for at in self.taken if at > self.now - limit.seconds]
        if len(recent) < limit.requests:
            self.taken.append(self.now)
            return 0
        return recent[-limit.requests] + limit.seconds - self.now


def pacer(requests=2, seconds=10):
    store = Log()
    return SharedPacer(RateLimit(requests, seconds), "key", store), store


@given(st.integers(1, 20), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_no_request_is_sent_without_a_place(requests, pauses):
    one, store = pacer(requests)
    for pause in pauses:
        store.now += pause
        if one.ready_at(store.now) <= store.now:
            one.admitted(one.begin(store.now), store.now)
    assert len(store.taken) >= one.used
    assert one.used <= requests


def test_a_full_limit_tells_when_to_ask_again():
    one, store = pacer()
    for _ in range(2):
        assert one.ready_at(0) == 0
        one.begin(0)
    assert not one.is_closed
    assert one.ready_at(0) == 10
    assert (one.is_closed, one.used, one.expected_at(4)) == (True, 2, 10)
    store.now = 10
    assert one.ready_at(10) == 10
    assert not one.is_closed


def test_to_look_takes_no_place():
    one, store = pacer()
    assert one.expected_at(3) == 3
    assert store.taken == []


def test_a_place_that_was_not_used_is_the_next_ones():
    one, store = pacer(1)
    one.ready_at(0)
    one.unsent(one.begin(0), 0.1)
    assert one.ready_at(0.1) == 0.1
    one.begin(0.1)
    assert store.taken == [0]


def test_a_place_is_given_up_after_a_while():
    one, store = pacer(5)
    one.ready_at(0)
    store.now = 2
    one.ready_at(2)
    assert store.taken == [0, 2]


def test_few_are_sent_before_any_answer():
    one, _ = pacer(100)
    sent = []
    while one.ready_at(0) <= 0:
        sent.append(one.begin(0))
    assert 1 < len(sent) < 20
    one.admitted(sent[0], 0)
    assert one.ready_at(0) == 0


def test_a_refusal_all_the_same_pauses_and_the_next_for_longer():
    one, store = pacer(1000, 60)
    pauses, now = [], 0.0
    for _ in range(3):
        store.now = now = max(now, one.ready_at(now))
        store.now = now = one.ready_at(now)
        one.refused(one.begin(now), now)
        pauses.append(one.ready_at(now) - now)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[2]
    store.now = now = one.ready_at(now)
    one.admitted(one.begin(now), now)
    store.now = now = one.ready_at(now)
    one.refused(one.begin(now), now, retry_after=7)
    assert one.ready_at(now) == now + 7


def test_a_store_that_fails_is_asked_again_later():
    one, store = pacer()
    store.failure = JournalError("full")
    assert one.ready_at(0) == 1
    assert one.failure is store.failure
    store.failure = None
    assert one.ready_at(1) == 1
    assert one.failure is None


# stores


def sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/places/limit.db"


@pytest.fixture
def redis_url(tmp_path):
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    socket = tmp_path / "redis.sock"
    server = subprocess.Popen(  # noqa: S603 - on a socket of its own
        [program, "--port", "0", "--unixsocket", str(socket), "--save", ""], stdout=subprocess.DEVNULL
    )
    while not socket.exists():
        time.sleep(0.02)
    yield f"unix://{socket}"
    server.terminate()
    server.wait()


def exhausts(first, second):
    """Assert that two stores share 3 places of one key, and none with another key."""
    limit = RateLimit(3, 60)
    assert [store.acquire("one", limit) for store in (first, second, first)] == [0, 0, 0]
    assert all(55 < store.acquire("one", limit) <= 61 for store in (first, second))
    assert second.acquire("another", limit) == 0


def test_memory():
    store = MemoryStore()
    exhausts(store, store)


def test_a_file(tmp_path):
    first, second = open_store(sqlite(tmp_path)), open_store(sqlite(tmp_path))
    assert isinstance(first, SQLiteStore)
    exhausts(first, second)


def test_redis(redis_url):
    first, second = open_store(redis_url), open_store(redis_url)
    assert isinstance(first, RedisStore)
    exhausts(first, second)
    first._client.script_flush()  # as after a restart
    assert first.acquire("a third", RateLimit(1)) == 0


@pytest.mark.parametrize("store", ["limits.db", "sqlite:///", "redis://", "http://127.0.0.1", 7])
def test_what_is_no_store_is_refused(store):
    with pytest.raises(ValidationError, match=r"store\n.*(sqlite:///file, redis://host|RateLimitStore)"):
        RateLimit(3, store=store)


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("none")
    with pytest.raises(JournalError, match=r"the rate limit cannot be shared by .*file/limit.db: .*check the file"):
        open_store(f"sqlite:///{tmp_path}/file/limit.db")
    broken = tmp_path / "broken.db"
    broken.write_text("no database" * 100)
    with pytest.raises(JournalError, match=r"broken\.db: file is not a database"):
        open_store(f"sqlite:///{broken}")


def test_without_the_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyrate_limiter", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'cf-llama\[limits\]'"):
        open_store(sqlite(tmp_path))


def test_a_redis_that_is_away_is_named_without_its_password(emulator):
    limit = RateLimit(3, store="redis://:hidden-word@127.0.0.1:9/0")
    settings = Settings(rate_limit=limit, max_retries=0)
    with pytest.raises(ConnectionFailedError, match=r"Redis on 127\.0\.0\.1: ConnectionError; check that") as error:
        Transport(settings.connection()).run(HI)
    assert "hidden-word" not in f"{error.value!r} {settings!r} {limit!r} {limit} {limit.as_json()}"
    assert not emulator.requests


# calls


@pytest.fixture
def limited(monkeypatch):
    """An emulator, found in the environment, that admits 20 requests a second."""
    with serve(RuleEngine(), port=0, faults="rate-limit=20@1s,sliding") as running:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", running.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", running.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", running.api_token)
        yield running


@pytest.mark.usefixtures("both_event_loops")
@pytest.mark.parametrize("call", [by_threads, by_tasks])
def test_calls_beyond_a_shared_limit_wait(limited, tmp_path, call):
    one = Transport(Settings(rate_limit=RateLimit(20, 1, store=sqlite(tmp_path))).connection())
    assert len(call(one, 30)) == 30
    assert (one.limits().requests, one.limits().waiting) == (20, 0)


def test_processes_share_a_limit_and_one_may_be_killed(limited, tmp_path):
    command = [sys.executable, str(PROCESS), "30", sqlite(tmp_path)]
    killed, *others = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script
        for _ in range(4)
    ]
    killed.stdout.readline()  # it has begun
    killed.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    killed.communicate()
    assert [process.communicate()[0].split() for process in others] == [["begun", "30", "answered"]] * 3
    assert (tmp_path / "places" / "limit.db").exists()
