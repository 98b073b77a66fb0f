"""What the access log tells of each request, and what it never does."""

import queue
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.access_log import route_of
from tests.cf_llama_emulator.client import MODEL, Client, ask_user, hang_up_in_a_stream

ACCOUNT = "0123456789abcdef0123456789abcdef"
SECRETS = (ACCOUNT, "emulator-token", "Hello")


class Logged:
    """A client, and the entries that come in."""

    def __init__(self, engine=None, **settings):
        self.entries = queue.Queue()
        self.client = Client(serve(engine, access_log=self.entries.put, **settings))

    def next(self):
        entry = self.entries.get(timeout=5)
        assert not any(secret in str(entry) for secret in SECRETS)
        assert entry.time.utcoffset() < timedelta(days=1)
        assert entry.milliseconds >= 0
        return entry


@pytest.fixture(scope="module")
def logged():
    logged = Logged()
    yield logged
    logged.client.http.close()
    logged.client.emulator.close()


def told(entry, *names):
    return tuple(getattr(entry, name) for name in names)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("way", "route"), [("run", "/ai/run"), ("v1", "/ai/v1/chat/completions")])
def test_an_answer(logged, way, route, stream):
    getattr(logged.client, way)(ask_user("Hello", stream=stream))
    entry = logged.next()
    assert told(entry, "method", "route", "model", "stream") == ("POST", route, MODEL, stream)
    assert told(entry, "status", "prompt_tokens", "completion_tokens", "faults", "hung_up") == (200, 2, 6, "", False)


def test_a_refusal_with_its_faults_as_they_are_written(logged):
    faults = "capacity, retry-after=7, latency=0.01, cut=byte@1, times=2"
    with suppress(httpx.RemoteProtocolError):
        logged.client.run(ask_user("Hello", stream=True), x_emulator_faults=faults)
    entry = logged.next()
    assert told(entry, "model", "stream", "status", "prompt_tokens", "hung_up") == (MODEL, True, 429, None, False)
    assert sorted(entry.faults.split(", ")) == sorted(faults.split(", "))


@pytest.mark.parametrize(
    ("faults", "status"), [("no-answer", None), ("no-answer=reset", None), ("cut=byte@1", 200), ("reset", 200)]
)
def test_a_fault_that_ends_the_connection_is_not_the_clients_doing(logged, faults, status):
    with pytest.raises(httpx.TransportError):
        logged.client.run(ask_user("Hello", stream=True), x_emulator_faults=faults)
    assert told(logged.next(), "status", "hung_up") == (status, False)


def test_a_client_that_hangs_up_before_the_answer(logged):
    url, late = f"{logged.client.account}/ai/run/{MODEL}", {"x-emulator-faults": "latency=60"}
    with pytest.raises(httpx.ReadTimeout):
        logged.client.http.post(url, json=ask_user("Hello"), headers=late, timeout=0.2)
    assert told(logged.next(), "status", "hung_up", "faults") == (None, True, "latency=60")


def test_a_client_that_hangs_up_in_a_stream_is_told_of_once_it_ends():
    logged = Logged(ScriptEngine(["word " * 5_000]))
    hang_up_in_a_stream(logged.client.emulator)
    assert told(logged.next(), "status", "stream", "completion_tokens", "hung_up") == (200, True, None, True)
    logged.client.http.close()
    logged.client.emulator.close()


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "model"),
    [
        (f"GET /client/v4/accounts/{ACCOUNT}/ai/models/search", {}, 200, None),
        (f"POST /client/v4/accounts/{ACCOUNT}/ai/run/x", {"authorization": "Bearer Hello"}, 401, None),
        (f"POST /client/v4/accounts/{ACCOUNT}/ai/run/x%1b[31m", {}, 400, "x?[31m"),
        (f"POST /client/v4/accounts/{ACCOUNT}/ai/run/accounts/{ACCOUNT}/ai", {}, 400, "accounts/*/ai"),
        (f"POST /client/v4/accounts/{ACCOUNT}/ai/run/{'x' * 100}", {}, 400, "x" * 60 + "…"),
        ("POST /emulator-token", {}, 400, None),
        ("GET /", {"host": "Hello"}, 403, None),
    ],
)
def test_other_requests(logged, request_line, headers, status, model):
    method, path = request_line.split()
    url = httpx.URL(logged.client.account).join(path)
    logged.client.http.request(method, url, content=b'{"prompt": "Hello"}', headers=headers)
    assert told(logged.next(), "method", "status", "model") == (method, status, model)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (f"/client/v4/accounts/{ACCOUNT}/ai/run", "/ai/run"),
        (f"/client/v4/accounts/{ACCOUNT}/ai/run/{MODEL}", "/ai/run"),
        (f"/client/v4/accounts/{ACCOUNT}/ai/run/a\nb", "/ai/run"),
        (f"/client/v4/accounts/{ACCOUNT}/ai/v1/models", "/ai/v1/models"),
        (f"/v1/{ACCOUNT}/mine/workers-ai/{MODEL}", "/workers-ai"),
        (f"/v1/{ACCOUNT}/mine/workers-ai/run/{MODEL}", "/workers-ai/run"),
        (f"/v1/{ACCOUNT}/mine/workers-ai/v1/chat/completions", "/workers-ai/v1/chat/completions"),
        (f"/client/v4/accounts/{ACCOUNT}/emulator-token", "*"),
        (f"/client/v4/accounts/{ACCOUNT}", "*"),
        (f"/v1/{ACCOUNT}/mine/openai", "*"),
        ("/client/v4/user/tokens/verify", "*"),
    ],
)
def test_a_route_is_without_account_gateway_and_model(path, route):
    assert route_of(path) == route
