import asyncio
import json

import httpx
import pytest

from cf_llama_emulator.cassettes import (
    AsyncRecorderTransport,
    CassetteError,
    Recorder,
    RecorderTransport,
    ReplayTransport,
)
from cf_llama_emulator.cassettes.format import read
from tests.cf_llama_emulator.cassettes.other_service import (
    ACCOUNT,
    COOKIE,
    EVENTS,
    RAY,
    TEXT,
    TOKEN,
    Answer,
    OtherService,
    odd,
    whole,
)
from tests.cf_llama_emulator.client import MODEL, ask_user

SECRETS = [TOKEN, ACCOUNT, RAY, RAY.partition("-")[0], COOKIE, "203.0.113.9", "127.0.0.1"]


def post(client, base_url, body, account=ACCOUNT):
    with client.stream("POST", f"{base_url}/accounts/{account}/ai/run/{MODEL}", json=body) as response:
        return response, list(response.iter_bytes())


def url_of(service):
    return f"{service.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}"


def client_of(transport, accepted="gzip, deflate, br"):
    headers = {"authorization": f"Bearer {TOKEN}", "accept-encoding": accepted}
    return httpx.Client(transport=transport, headers=headers, timeout=30)


@pytest.fixture
def record(service, path):
    """Return a function that asks the other server through a recorder, and returns answer and chunks."""
    clients = []

    def ask(text="Hi", *, mode="once", scrub=(), base_url=service.base_url, **body):
        clients.append(client_of(RecorderTransport(Recorder(path, mode, scrub=scrub))))
        return post(clients[-1], base_url, ask_user(text, **body))

    yield ask
    for client in clients:
        client.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_answers_are_replayed_byte_for_byte(record, path, service, stream, encoding):
    transport = RecorderTransport(Recorder(path))
    with client_of(transport, encoding) as client:
        asked, chunks = post(client, service.base_url, ask_user("Hi", stream=stream))
    assert b"".join(chunks) == (EVENTS if stream else whole(TEXT))
    with client_of(ReplayTransport(path)) as client:
        replayed, again = post(client, "http://elsewhere/client/v4", ask_user("Hi", stream=stream), account="f" * 32)
    assert b"".join(again) == b"".join(chunks)
    if encoding == "identity":
        assert again == odd(b"".join(chunks))
    assert replayed.status_code == asked.status_code
    for name in ("content-type", "cf-ai-req-id"):
        assert replayed.headers[name] == asked.headers[name]
    assert replayed.headers["cf-ray"] == "<scrubbed-ray>"
    assert not {"set-cookie", "content-encoding"} & set(replayed.headers)


async def test_asynchronous_clients_record_and_replay_too(service, path):
    contents = []
    for make in (lambda: AsyncRecorderTransport(Recorder(path)), lambda: ReplayTransport(path)):
        transport = make()
        async with httpx.AsyncClient(transport=transport, headers={"authorization": f"Bearer {TOKEN}"}) as client:
            contents.append((await client.post(url_of(service), json=ask_user("Hi", stream=True))).content)
    assert contents == [EVENTS, EVENTS]
    assert len(service.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_no_secret_is_in_the_file(record, path, stream):
    record("tell me your secrets", stream=stream)
    record(f"my token is {TOKEN}, my account {ACCOUNT.upper()}", mode="new_episodes", stream=stream)
    text = path.read_text("utf-8")
    assert not [secret for secret in SECRETS if secret.lower() in text.lower()]
    assert "<scrubbed-token> of <scrubbed-account>, ray <scrubbed-ray>" in text


def test_a_request_with_a_secret_is_found_with_another(record, path):
    record(f"my token is {TOKEN}")
    with client_of(ReplayTransport(path)) as client:
        assert post(client, "http://a", ask_user("my token is another"))[0].status_code == 200
        assert post(client, "http://a", ask_user("my account is another"))[0].status_code == 404


def test_a_route_with_something_scrubbed_is_found_with_something_else(service, path):
    with client_of(RecorderTransport(Recorder(path, scrub=["jane@[a-z.]+"]))) as client:
        client.get(f"{service.base_url}/accounts/{ACCOUNT}/a", params={"q": "jane@example.com"})
    assert read(path)[0].route == "accounts/<account>/a?q=<scrubbed>"
    with client_of(ReplayTransport(path)) as client:
        assert client.get(f"http://a/accounts/{ACCOUNT}/a", params={"q": "joe@example.com"}).status_code == 200
        assert client.get(f"http://a/accounts/{ACCOUNT}/b", params={"q": "joe@example.com"}).status_code == 404


def test_own_patterns_are_scrubbed_in_requests_and_answers(record, path):
    record("I am jane@example.com", scrub=["[a-z]+@example.com", "Caf. ?42"], stream=True)
    [exchange] = read(path)
    assert exchange.body["messages"] == [{"content": "I am <scrubbed>", "role": "user"}]
    text = exchange.content.decode()
    assert "Café" not in text
    assert json.loads(text.split("\n")[2].removeprefix("data: "))["response"] == "<scrubbed>"


def test_once_records_a_new_file_and_replays_an_old_one(record, path, service):
    recorder = Recorder(path)
    with client_of(RecorderTransport(recorder)) as client:
        for text in ("Hi", "Hi", "Ho"):
            post(client, service.base_url, ask_user(text))
    assert len(service.requests) == 3
    assert record("Hi")[0].status_code == 200
    assert record("Another")[0].status_code == 404
    assert len(service.requests) == 3
    assert len(read(path)) == 3


def test_none_connects_nowhere(record, path, service):
    with pytest.raises(CassetteError, match="cannot be read"):
        record(mode="none")
    record()
    assert record(mode="none")[0].status_code == 200
    assert record("Another", mode="none")[0].status_code == 404
    assert len(service.requests) == 1


def test_new_episodes_adds_what_is_missing(record, path, service):
    record("Hi")
    recorder = Recorder(path, "new_episodes")
    with client_of(RecorderTransport(recorder)) as client:
        for text in ("Hi", "Hi", "Ho"):
            assert post(client, service.base_url, ask_user(text))[0].status_code == 200
    assert [exchange.body["messages"][0]["content"] for exchange in read(path)] == ["Hi", "Hi", "Ho"]
    assert len(service.requests) == 3


def test_all_begins_the_file_anew_with_the_first_answer(record, path, service):
    record("Hi")
    with pytest.raises(httpx.ConnectError):
        record("Ho", mode="all", base_url="http://127.0.0.1:1")
    assert len(read(path)) == 1
    recorder = Recorder(path, "all")
    with client_of(RecorderTransport(recorder)) as client:
        post(client, service.base_url, ask_user("Ho"))
        post(client, service.base_url, ask_user("Hu"))
    assert [exchange.body["messages"][0]["content"] for exchange in read(path)] == ["Ho", "Hu"]


def test_a_stream_that_breaks_off_breaks_off_again(path):
    with (
        OtherService(lambda *_: Answer([EVENTS[:200]], kind="text/event-stream", breaks=True)) as service,
        client_of(RecorderTransport(Recorder(path)), "identity") as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        post(client, service.base_url, ask_user("Hi"))
    assert not read(path)[0].complete
    with (
        client_of(ReplayTransport(path)) as client,
        client.stream("POST", f"http://a/accounts/{ACCOUNT}/ai/run/{MODEL}", json=ask_user("Hi")) as response,
    ):
        chunks = response.iter_bytes()
        assert next(chunks) == EVENTS[:200]
        with pytest.raises(httpx.RemoteProtocolError, match="breaks off"):
            next(chunks)


def test_what_was_read_of_a_stream_is_kept(service, path):
    with (
        client_of(RecorderTransport(Recorder(path))) as client,
        client.stream(
            "POST", f"{service.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}", json=ask_user("Hi", stream=True)
        ) as r,
    ):
        r.request.headers.pop("accept-encoding")
        next(r.iter_bytes())
    [exchange] = read(path)
    assert EVENTS.startswith(exchange.content)
    assert not exchange.complete


def test_a_stream_whose_end_was_read_is_complete(service, path):
    with (
        client_of(RecorderTransport(Recorder(path)), "identity") as client,
        client.stream("POST", url_of(service), json=ask_user("Hi", stream=True)) as response,
    ):
        content = b""
        for chunk in response.iter_bytes():
            content += chunk
            if content == EVENTS:
                break
    assert read(path)[0].complete


def test_proxies_of_the_environment_are_used(service, path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", service.base_url.removesuffix("/client/v4"))
    with client_of(RecorderTransport(Recorder(path))) as client:
        _, chunks = post(client, "http://service.invalid/client/v4", ask_user("Hi"))
    assert b"".join(chunks) == whole(TEXT)
    assert service.requests[0][1].startswith("http://service.invalid/")


def test_an_encoding_that_cannot_be_searched_is_refused(path):
    answer = Answer([b"x"], headers={"Content-Encoding": "br"})
    with (
        OtherService(lambda *_: answer) as service,
        client_of(RecorderTransport(Recorder(path)), "br, gzip;q=0.5, zstd") as client,
        pytest.raises(CassetteError, match="content-encoding 'br'"),
    ):
        post(client, service.base_url, ask_user("Hi"))
    assert service.requests[0][2]["accept-encoding"] == "gzip;q=0.5"
    assert not path.exists()


def test_a_body_that_is_not_packed_as_it_says_is_kept_as_it_came(path):
    with (
        OtherService(lambda *_: Answer([b"not ", b"gzip"], headers={"Content-Encoding": "gzip"})) as service,
        client_of(RecorderTransport(Recorder(path)), "identity") as client,
        pytest.raises(httpx.DecodingError),
    ):
        post(client, service.base_url, ask_user("Hi"))
    [exchange] = read(path)
    assert exchange.headers["content-encoding"] == "gzip"
    assert exchange.content == b"not "


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mode": "some"}, "must be one of none, once, new_episodes, all, not 'some'"),
        ({"speed": 0}, "must be above 0"),
        ({"scrub": ["["]}, "scrub pattern"),
    ],
)
def test_options_are_checked(path, options, told):
    with pytest.raises(CassetteError, match=told):
        Recorder(path, **options)


def test_recording_is_kept_whole_by_many_threads(service, path):
    async def ask_all():
        transport = AsyncRecorderTransport(Recorder(path))
        async with httpx.AsyncClient(transport=transport, headers={"authorization": f"Bearer {TOKEN}"}) as client:
            await asyncio.gather(*(client.post(url_of(service), json=ask_user(f"Hi {number}")) for number in range(20)))

    asyncio.run(ask_all())
    assert {each.body["messages"][0]["content"] for each in read(path)} == {f"Hi {number}" for number in range(20)}
