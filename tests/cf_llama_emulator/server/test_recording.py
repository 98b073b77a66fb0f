"""The recording proxy."""

import threading

import httpx
import pytest

from cf_llama_emulator.cassettes import CassetteError, Recorder
from cf_llama_emulator.cassettes.format import read
from cf_llama_emulator.server.recording import RecordingProxy, read_upstream, target_of
from cf_llama_emulator.settings import UPSTREAM
from tests.cf_llama_emulator.cassettes.other_service import (
    ACCOUNT,
    EVENTS,
    RAY,
    TEXT,
    TOKEN,
    Answer,
    OtherService,
    answers,
    whole,
)
from tests.cf_llama_emulator.client import MODEL, ask_user


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


@pytest.fixture
def service():
    with OtherService(answers) as running:
        yield running


@pytest.fixture
def proxy(service, path):
    """Return a function that starts a proxy in front of the other server and returns a client and its URL."""
    begun = []

    def start(mode="all", upstream=service.base_url, **options):
        running = RecordingProxy(Recorder(path, mode), upstream=upstream, **options)
        client = httpx.Client(headers={"authorization": f"Bearer {TOKEN}", "x-tenant": "tenant-of-jane"}, timeout=30)
        begun.append((running, client))
        return client, f"{running.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}"

    yield start
    for running, client in begun:
        client.close()
        running.close()


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_requests_and_answers_pass_unchanged_and_are_recorded(proxy, service, path, accepted):
    client, url = proxy()
    response = client.post(f"{url}?a=1%2F2", json=ask_user("Hi"), headers={"accept-encoding": accepted})
    assert (response.content, response.headers["cf-ray"]) == (whole(TEXT), RAY)
    assert response.headers["cf-ai-neurons"] == "1.98"
    assert (response.headers.get("content-encoding") == "gzip") == (accepted == "gzip")
    [(method, target, headers, _)] = service.requests
    assert (method, target) == ("POST", f"/client/v4/accounts/{ACCOUNT}/ai/run/{MODEL}?a=1%2F2")
    assert headers["authorization"] == f"bearer {TOKEN}".lower()
    assert headers["x-tenant"] == "tenant-of-jane"
    assert headers["host"] == f"127.0.0.1:{httpx.URL(service.base_url).port}"
    [exchange] = read(path)
    assert exchange.content == whole(TEXT)
    text = path.read_text("utf-8").lower()
    assert not [secret for secret in (TOKEN, ACCOUNT, RAY, "tenant-of-jane", "127.0.0.1") if secret.lower() in text]


def test_a_stream_comes_piece_by_piece(path):
    """The second piece is sent only once the first has been read."""
    arrived = threading.Event()

    class Chunks(list):
        def __iter__(self):
            yield b"data: a\n\n"
            assert arrived.wait(30)
            yield b"data: [DONE]\n\n"

    class Streaming(OtherService):
        def _write(self, line, answer, asked):
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for chunk in Chunks():
                line.sendall(chunk)

    with Streaming(answers) as service, RecordingProxy(Recorder(path), upstream=service.base_url) as running:
        url = f"{running.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}"
        with httpx.stream("POST", url, json=ask_user("Hi", stream=True), timeout=30) as response:
            chunks = response.iter_raw()
            assert next(chunks) == b"data: a\n\n"
            arrived.set()
            assert b"".join(chunks) == b"data: [DONE]\n\n"
    assert [piece.content for piece in read(path)[0].pieces] == [b"data: a\n\n", b"data: [DONE]\n\n"]


def test_what_is_recorded_is_not_sent_again(proxy, service, path):
    client, url = proxy("new_episodes")
    client.post(url, json=ask_user("Hi"))
    client, url = proxy("new_episodes", upstream="http://127.0.0.1:1/client/v4")
    assert client.post(url, json=ask_user("Hi")).content == whole(TEXT)
    failed = client.post(url, json=ask_user("Ho"))
    assert failed.status_code == 502
    assert "no answer of 127.0.0.1: " in failed.json()["errors"][0]["message"]
    assert len(service.requests) == len(read(path)) == 1


def test_a_request_that_may_not_be_sent_is_refused(proxy):
    client, url = proxy("once")
    client.post(url, json=ask_user("Hi"))
    client, url = proxy("once")
    refused = client.post(url, json=ask_user("Ho"))
    assert refused.status_code == 404
    assert 'recorded "Hi", asked "Ho"' in refused.json()["errors"][0]["message"]


def test_an_answer_that_breaks_off_breaks_off_here_too(path):
    with (
        OtherService(lambda *_: Answer([EVENTS[:100]], kind="text/event-stream", breaks=True)) as service,
        RecordingProxy(Recorder(path), upstream=service.base_url) as running,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.post(f"{running.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}", json=ask_user("Hi", stream=True))
    assert not read(path)[0].complete


def test_web_pages_are_kept_out(proxy, service):
    client, url = proxy()
    assert client.post(url, json={}, headers={"origin": "https://page.example"}).status_code == 403
    assert client.post(url, json={}, headers={"host": "page.example"}).status_code == 403
    assert not service.requests


def test_each_request_is_logged(proxy):
    lines = []
    client, url = proxy(access_log=lines.append)
    assert client.post(url, json=ask_user("Hi", stream=True)).content == EVENTS
    client.get(url.partition("/ai/")[0] + "/ai/models/search")
    assert (lines[0].route, lines[0].model, lines[0].status, lines[0].stream) == ("/ai/run", MODEL, 200, True)


@pytest.mark.parametrize(
    ("upstream", "path", "query", "target"),
    [
        (UPSTREAM, b"/client/v4/accounts/a/ai/run/%40cf/x", b"", f"{UPSTREAM}/accounts/a/ai/run/%40cf/x"),
        (UPSTREAM, b"/v1/a/g/workers-ai/x", b"q=1", "https://gateway.ai.cloudflare.com/v1/a/g/workers-ai/x?q=1"),
        ("http://a.b:8080/prefix/", b"/client/v4/accounts/a", b"q=%20", "http://a.b:8080/prefix/accounts/a?q=%20"),
        ("http://a.b", b"/client/v4/accounts/a", b"", "http://a.b/accounts/a"),
        ("http://a.b/prefix", b"/v1/a/g/workers-ai/x", b"", "http://a.b/v1/a/g/workers-ai/x"),
    ],
)
def test_where_requests_go(upstream, path, query, target):
    assert str(target_of(path, query, read_upstream(upstream))) == target


@pytest.mark.parametrize("url", ["", "api.cloudflare.com", "ftp://a", "https://me:secret@a", "http://a:b", "https://"])
def test_an_upstream_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(CassetteError, match="upstream must be an http or https URL") as caught:
        read_upstream(url)
    assert "secret" not in str(caught.value)
