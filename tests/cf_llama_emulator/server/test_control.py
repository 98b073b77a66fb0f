"""A running emulator is scripted over HTTP, by programs on its own machine."""

import httpx
import pytest

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.app import create_app
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.settings import Settings
from tests.cf_llama_emulator.client import MODEL, Client, ask_user

ASK = ask_user("Hello")


@pytest.fixture(scope="module")
def started():
    with serve() as emulator:
        client = Client(emulator)
        client.control = f"{httpx.URL(emulator.base_url).join('/__emulator')}/"
        yield client
        client.http.close()


@pytest.fixture
def client(started):
    httpx.post(f"{started.control}reset")
    return started


def send(client, body):
    """Send a script without any token."""
    return httpx.post(f"{client.control}script", json=body)


def test_a_script_of_texts_calls_and_errors_then_a_refusal(client):
    call = {"call": {"name": "add", "arguments": {"a": 1}}}
    assert send(client, {"turns": ["One", call, {"error": 3040}]}).json() == {"remaining": 3}
    assert client.run(ASK).headers["x-emulator-engine"] == "script"
    assert client.result(ASK)["tool_calls"] == [{"name": "add", "arguments": {"a": 1}}]
    refused = client.run(ASK)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, 3040)
    assert client.run(ASK).json()["errors"][0]["code"] == 99999


def test_turns_are_added(client):
    send(client, {"turns": ["One"]})
    assert send(client, {"turns": ["two"]}).json() == {"remaining": 2}
    assert [client.result(ASK)["response"] for _ in range(2)] == ["One", "two"]


def test_a_turn_with_faults(client):
    send(client, {"turns": [[{"faults": "retry-after=7"}, "One"]]})
    answer = client.run(ASK)
    assert (answer.headers["retry-after"], answer.json()["result"]["response"]) == ("7", "One")


def test_faults_of_the_next_requests_and_of_all(client):
    send(client, {"faults": ["capacity", "rate-limited"], "always": "retry-after=7"})
    answers = [client.run(ASK) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert {answer.headers["retry-after"] for answer in answers} == {"7"}


def test_a_script_goes_for_openais_route_too(client):
    send(client, {"turns": ["One"]})
    assert client.v1(ASK).json()["choices"][0]["message"]["content"] == "One"


def test_the_requests_seen_without_credentials(client):
    client.run(ASK, cf_aig_authorization="Bearer mine")
    client.http.post(f"{client.account}/ai/run/{MODEL}?queueRequest=true", content=b"no json")
    answer = httpx.get(f"{client.control}requests")
    first, second = answer.json()["requests"]
    assert (first["method"], first["path"].endswith(MODEL), first["query"], first["body"]) == ("POST", True, {}, ASK)
    assert (second["query"], second["body"]) == ({"queueRequest": "true"}, "no json")
    assert first["headers"]["authorization"] == first["headers"]["cf-aig-authorization"] == "[redacted]"
    assert first["headers"]["content-type"] == "application/json"
    assert "emulator-token" not in answer.text
    assert "mine" not in answer.text


def test_reset_forgets_everything_and_counts_what_was_left(client):
    send(client, {"turns": ["One", "two"], "faults": ["capacity"], "always": "retry-after=7"})
    assert httpx.post(f"{client.control}reset").json() == {"remaining": 2}
    answer = client.run(ASK)
    assert (answer.json()["result"]["response"], answer.headers["x-emulator-engine"]) == ("You said: Hello", "rule")
    assert "retry-after" not in answer.headers
    assert len(httpx.get(f"{client.control}requests").json()["requests"]) == 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("no json", "the body is not valid JSON"),
        ("[" * 100_000, ""),
        ("[]", "the body must be an object with some of the keys turns, faults, always"),
        ("{}", "the body must be an object"),
        ('{"turn": []}', "the body must be an object"),
        ('{"turns": "One"}', "turns must be a list"),
        ('{"turns": ["One", 1]}', "turns[1] must be a text"),
        ('{"turns": [{"faults": "capaciti"}]}', "not 'capaciti'"),
        ('{"turns": ["One", ["two", {"faults": "cut"}]]}', "faults must come first in a turn"),
        ('{"turns": ["One"], "faults": "capacity"}', "faults must be a list of texts"),
        ('{"turns": ["One"], "faults": ["capaciti"]}', "not 'capaciti'"),
        ('{"turns": ["One"], "always": 1}', "always must be a text"),
        ('{"turns": ["One"], "always": "capaciti"}', "not 'capaciti'"),
    ],
)
def test_what_is_refused_changes_nothing(client, body, complaint):
    answer = httpx.post(f"{client.control}script", content=body)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]
    assert client.result(ASK)["response"] == "You said: Hello"


ROUTES = [("POST", "script"), ("GET", "requests"), ("POST", "reset")]


@pytest.mark.parametrize(("method", "route"), ROUTES)
@pytest.mark.parametrize("header", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
def test_web_pages_are_kept_out(client, method, route, header):
    assert httpx.request(method, client.control + route, headers=header).status_code == 403


@pytest.mark.parametrize(("method", "route"), ROUTES)
@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1", "localhost", 200),
        ("::ffff:127.0.0.1", "localhost", 200),
        ("192.0.2.7", "localhost", 403),
        ("127.0.0.1", "emulator.example", 403),
    ],
)
async def test_other_machines_are_kept_out_of_a_server_that_lets_them_in(method, route, address, host, status):
    app = create_app(Emulator(RuleEngine(), Settings(hosts=frozenset({"*"}))))
    transport = httpx.ASGITransport(app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
        answer = await http.request(method, f"/__emulator/{route}", json={"turns": ["One"]})
    assert answer.status_code == status
    assert ("error" in answer.json()) is (status == 403)


def test_another_method_is_7001(client):
    assert httpx.get(f"{client.control}script").json()["errors"][0]["code"] == 7001


def test_a_script_of_ones_own_stays(script):
    client = script("One", "two")
    control = httpx.URL(client.emulator.base_url).join("/__emulator/")
    assert httpx.post(control.join("script"), json={"turns": ["three"]}).json() == {"remaining": 3}
    assert httpx.post(control.join("reset")).json() == {"remaining": 3}
    assert client.result(ASK)["response"] == "One"
