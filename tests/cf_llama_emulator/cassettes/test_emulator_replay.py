"""The emulator with a cassette in place of an engine."""

import time

import httpx
import pytest

from cf_llama_emulator.cassettes import Exchange, Piece
from cf_llama_emulator.cassettes.format import CassetteError, append, dump
from cf_llama_emulator.cassettes.match import normalised
from cf_llama_emulator.server import serve
from tests.cf_llama_emulator.cassettes.other_service import EVENTS, TEXT, odd, whole
from tests.cf_llama_emulator.client import MODEL, Client, ask_user

ROUTE = f"accounts/<account>/ai/run/{MODEL}"
SSE = {"content-type": "text/event-stream; charset=utf-8", "cf-ai-req-id": "req-1"}
JSON = {"content-type": "application/json", "cf-ai-neurons": "1.98"}


def body(value):
    return normalised(httpx.Request("POST", "http://a", json=value).content)


def exchange(asked, *chunks, wait=0.0, headers=JSON, **fields):
    pieces = [Piece(wait, chunk) for chunk in chunks]
    return Exchange(
        **{"method": "POST", "route": ROUTE, "body": body(asked), "headers": headers, "pieces": pieces} | fields
    )


@pytest.fixture
def replay(path):
    """Return a function that writes exchanges, starts an emulator on them and returns its client."""
    clients = []

    def start(*exchanges, **settings):
        for each in exchanges:
            append(path, dump(each))
        clients.append(Client(serve(cassette=path, **settings)))
        return clients[-1]

    yield start
    for client in clients:
        client.http.close()
        client.emulator.close()


STREAM = ask_user("Hi", stream=True)


def chunks_of(client, asked, **headers):
    url = f"{client.account}/ai/run/{MODEL}"
    with client.http.stream("POST", url, json=asked, headers=headers) as response:
        return response, list(response.iter_raw())


def test_bytes_pieces_status_and_headers_are_as_recorded(replay):
    client = replay(
        exchange(STREAM, *odd(EVENTS), headers=SSE), exchange(ask_user("Hi"), *odd(whole(TEXT)), status=203)
    )
    response, chunks = chunks_of(client, STREAM)
    assert (b"".join(chunks), response.headers["cf-ai-req-id"]) == (EVENTS, "req-1")
    assert response.headers["content-type"] == SSE["content-type"]
    assert "content-length" not in response.headers
    response, chunks = chunks_of(client, ask_user("Hi"))
    assert (response.status_code, b"".join(chunks)) == (203, whole(TEXT))
    assert response.headers["content-length"] == str(len(whole(TEXT)))
    assert response.headers["x-emulator-engine"] == "cassette"


def test_pieces_are_chunks_of_their_own(replay):
    client = replay(
        exchange(STREAM, b"data: a", b"\n\n", b"data: [DONE]\n\n", wait=0.05, headers=SSE), cassette_speed=1
    )
    assert chunks_of(client, STREAM)[1] == [b"data: a", b"\n\n", b"data: [DONE]\n\n"]


@pytest.mark.parametrize(("speed", "least"), [(1, 0.6), (2, 0.3)])
def test_speed_is_as_recorded_or_a_multiple(replay, speed, least):
    client = replay(exchange(STREAM, b"data: a\n\n", b"data: [DONE]\n\n", wait=0.3, headers=SSE), cassette_speed=speed)
    begun = time.perf_counter()
    chunks_of(client, STREAM)
    assert time.perf_counter() - begun >= least


def test_at_once_is_the_default(replay):
    client = replay(exchange(STREAM, b"data: [DONE]\n\n", wait=1e6, headers=SSE))
    assert chunks_of(client, STREAM)[1] == [b"data: [DONE]\n\n"]


def test_identical_requests_come_in_the_recorded_order_and_begin_anew(replay):
    client = replay(*(exchange(ask_user("Hi"), whole(text)) for text in ("one", "two")))
    answers = [client.result(ask_user("Hi"))["response"] for _ in range(5)]
    assert answers == ["one", "two", "one", "two", "one"]


def test_a_further_request_is_refused_where_nothing_begins_anew(replay):
    client = replay(exchange(ask_user("Hi"), whole("one")), cassette_again=False)
    client.result(ask_user("Hi"))
    refused = client.run(ask_user("Hi"))
    assert refused.status_code == 404
    assert "is recorded once, and was sent once more than that (" in refused.json()["errors"][0]["message"]


def test_an_unknown_request_is_refused_with_what_differs(replay):
    client = replay(exchange(ask_user("Hi", max_tokens=5), whole("one")), exchange({"prompt": "x"}, whole("two")))
    refused = client.run(ask_user("Ho", max_tokens=5, seed=1))
    error = refused.json()["errors"][0]
    assert (refused.status_code, error["code"]) == (404, 99999)
    assert 'messages[0].content: recorded "Hi", asked "Ho"; seed is new: 1' in error["message"]
    other = client.v1(ask_user("Hi")).json()["errors"][0]["message"]
    assert (
        "no request POST accounts/<account>/ai/v1/chat/completions is recorded; the cassette has POST accounts" in other
    )


def test_the_nearest_of_many_is_shown(replay):
    texts = ["What is the capital of France?", "How old is the sun?", "Name a river in Spain."]
    client = replay(*(exchange(ask_user(text), whole("one")) for text in texts))
    message = client.run(ask_user("How old is the moon?")).json()["errors"][0]["message"]
    assert 'recorded "How old is the sun?", asked "How old is the moon?"' in message


def test_an_empty_cassette_says_so(replay, path):
    path.parent.mkdir()
    path.touch()
    assert "is recorded; the cassette has nothing" in replay().run(ask_user("Hi")).text


def test_many_differences_are_counted(replay):
    client = replay(exchange({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, whole("one")))
    assert "; and 2 more" in client.run({"a": 2, "b": 2, "c": 2, "d": 2, "e": 2}).text


def test_any_route_can_be_replayed(replay):
    route = "accounts/<account>/ai/finetunes?page=1"
    client = replay(Exchange(method="GET", route=route, pieces=[Piece(0, b"[]")]))
    assert client.http.get(f"{client.account}/ai/finetunes", params={"page": 1}).json() == []


def test_credentials_are_checked_first(replay):
    client = replay(exchange(ask_user("Hi"), whole("one")))
    client.http.headers["authorization"] = "Bearer wrong"
    assert client.run(ask_user("Hi")).status_code == 401


def test_a_recorded_refusal_is_given_to_anyone(replay):
    refusal = b'{"errors":[{"code":1,"message":"no"}]}'
    client = replay(exchange(ask_user("Hi"), whole("one")), exchange(ask_user("Ho"), refusal, status=400))
    for credentials in ({"authorization": "Bearer wrong"}, {"authorization": ""}):
        refused = client.run(ask_user("Ho"), **credentials)
        assert (refused.status_code, refused.content) == (400, refusal)
        assert client.run(ask_user("Hi"), **credentials).status_code in {400, 401}
        assert client.run(ask_user("Ho"), **credentials).content == refusal


def test_where_any_credentials_are_right_so_are_none(replay):
    client = replay(exchange(ask_user("Hi"), whole("one")), account_id=None, api_token=None)
    assert client.run(ask_user("Hi"), authorization="").content == whole("one")
    assert client.run(ask_user("Ho"), authorization="").json()["errors"][0]["code"] == 9106


def test_no_header_of_the_service_is_added(replay):
    client = replay(exchange(ask_user("Hi"), whole("one")))
    response = client.run(ask_user("Hi"), **{"cf-aig-gateway-id": "default"})
    assert {name for name in response.headers if name.startswith("cf-")} == {"cf-ai-neurons"}


def test_an_answer_that_broke_off_breaks_off(replay):
    client = replay(exchange(STREAM, EVENTS[:100], headers=SSE, complete=False))
    with pytest.raises(httpx.RemoteProtocolError):
        chunks_of(client, STREAM)


def test_faults_of_the_transfer_apply_to_replays(replay):
    client = replay(exchange(STREAM, *odd(EVENTS), headers=SSE))
    response = client.run(STREAM, **{"x-emulator-faults": "gzip, latency=0.01, split=3"})
    assert (response.headers["content-encoding"], response.content) == ("gzip", EVENTS)
    with pytest.raises(httpx.RemoteProtocolError):
        client.run(STREAM, **{"x-emulator-faults": "cut=event@2"})
    client.emulator.faults("hang")
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(f"{client.account}/ai/run/{MODEL}", json=STREAM, timeout=0.2)


def test_a_refusal_by_a_fault_uses_up_no_answer(replay):
    client = replay(exchange(ask_user("Hi"), whole("one")), cassette_again=False)
    client.emulator.faults("capacity")
    assert client.run(ask_user("Hi")).status_code == 429
    assert client.result(ask_user("Hi"))["response"] == "one"


def test_requests_are_remembered_and_logged(replay):
    lines = []
    client = replay(exchange(STREAM, EVENTS, headers=SSE), access_log=lines.append)
    client.run(STREAM)
    client.emulator.close()
    [line] = lines
    assert (line.route, line.model, line.stream, line.status) == ("/ai/run", MODEL, True, 200)
    assert client.emulator.requests[0].body == STREAM


@pytest.mark.parametrize(("settings", "told"), [({}, "cannot be read"), ({"cassette_speed": -1}, "must be above 0")])
def test_what_cannot_be_replayed_is_refused_at_the_start(path, settings, told):
    with pytest.raises(CassetteError, match=told):
        serve(cassette=path, **settings)
