"""`env.AI` without a bridge: the requests that miniflare sends to its remote proxy, as it sends them."""

import json

import httpx
import pytest

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.app import create_app
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.testing import ScriptedEmulator
from tests.cf_llama_emulator.client import MODEL, ask_user, events_of

ASK = ask_user("Hello")
ORIGIN = "https://workers-binding.ai"
RUN = {
    "MF-Binding": "AI",
    "MF-URL": f"{ORIGIN}/run?version=3",
    "MF-Header-cf-consn-model-id": MODEL,
    "MF-Header-cf-consn-sdk-version": "2.0.0",
    "MF-Header-content-type": "application/json",
}


@pytest.fixture(scope="module")
def running():
    with ScriptedEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running):
    return running.cleared()


@pytest.fixture
def proxy(emulator):
    url = httpx.URL(emulator.base_url).join("/__emulator/binding")

    def send(body, **headers):
        headers = RUN | {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(url, content=content, headers=headers | {"MF-Header-content-length": str(len(content))})

    send.get = lambda **headers: httpx.get(url, headers={name.replace("_", "-"): headers[name] for name in headers})
    return send


def test_a_whole_answer_without_envelope_and_with_the_mark_of_a_forwarded_one(proxy, emulator):
    answer = proxy({"inputs": ASK, "options": {}})
    assert answer.json()["response"] == "You said: Hello"
    assert answer.headers["mf-forwarded-response"] == "true"
    (seen,) = emulator.requests
    assert seen.path == f"/client/v4/accounts/{emulator.account_id}/ai/run/{MODEL}"
    assert seen.body == ASK
    assert not [name for name in seen.headers if name.startswith("mf-")]


def test_a_stream(proxy):
    answer = proxy({"inputs": ASK | {"stream": True}, "options": {}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "".join(event.get("response") or "" for event in events_of(answer.text)) == "You said: Hello"


def test_a_refusal_in_the_bindings_form_from_a_header_of_the_call(proxy):
    answer = proxy({"inputs": ASK, "options": {}}, MF_Header_x_emulator_faults="capacity")
    assert (answer.status_code, answer.headers["mf-forwarded-response"]) == (429, "true")
    assert answer.json()["internalCode"] == 3040


def test_options_become_headers_a_field_and_a_query(proxy, emulator):
    gateway = {"id": "mine", "cacheTtl": 60, "skipCache": True, "collectLog": None, "metadata": {"who": "é"}}
    proxy({"inputs": ASK | {"options": {"other": 1}}, "options": {"gateway": gateway, "rejectIfBusy": True}})
    queued = proxy({"inputs": {"requests": [{"prompt": "Hello"}]}, "options": {"queueRequest": True}})
    assert queued.json()["status"] == "queued"
    seen, batch = emulator.requests
    assert (seen.query, batch.query) == ({}, {"queueRequest": "true"})
    assert seen.body["options"] == {"other": 1, "rejectIfBusy": True}
    assert {name: value for name, value in seen.headers.items() if name.startswith("cf-aig")} == {
        "cf-aig-gateway-id": "mine",
        "cf-aig-cache-ttl": "60",
        "cf-aig-skip-cache": "true",
        "cf-aig-metadata": '{"who":"\\u00e9"}',
    }


def test_headers_that_are_not_ascii(proxy, emulator):
    options = {"gateway": {"id": "m\u2603ne"}}
    url = httpx.URL(emulator.base_url).join("/__emulator/binding")
    headers = [(name.encode(), value.encode()) for name, value in RUN.items()] + [(b"MF-Header-x-name", b"\xe9")]
    assert httpx.post(url, json={"inputs": ASK, "options": options}, headers=headers).status_code == 200
    seen = emulator.requests[0].headers
    assert (seen["x-name"], seen["cf-aig-gateway-id"]) == ("\xe9", "m\\u2603ne")


def test_models(proxy):
    found = proxy.get(MF_URL=f"{ORIGIN}/ai-api/models/search?search={MODEL}").json()["result"]
    assert [model["name"] for model in found] == [MODEL]


@pytest.mark.parametrize(
    ("headers", "body", "refusal"),
    [
        ({"MF_URL": f"{ORIGIN}/to-everything/markdown/transformer"}, {}, (501, "run() with JSON and models()")),
        ({"MF_URL": f"{ORIGIN}/ai-gateway/universal/run/mine"}, [], (501, "run() with JSON and models()")),
        ({"MF_URL": f"{ORIGIN}/ai-gateway/gateways/mine/run"}, [], (501, "run() with JSON and models()")),
        ({"MF_URL": "http://["}, {}, (400, "MF-URL is no URL")),
        ({"MF_Header_content_type": "audio/mpeg"}, b"ID3", (501, "run() with JSON and models()")),
        ({}, b"{", (400, "not valid JSON")),
        ({}, {"inputs": "Hello"}, (400, "inputs and options of run() must be objects")),
        ({}, {"inputs": {}, "options": {"gateway": "mine"}}, (400, "gateway must be an object")),
        ({}, {"inputs": {"options": 1}, "options": {"rejectIfBusy": True}}, (400, "options must be an object")),
        ({}, b" " * 10_000_001, (413, "too large")),
        ({"Origin": "https://example.com"}, {"inputs": ASK}, (403, "browser origin")),
        ({"Host": "example.com"}, {"inputs": ASK}, (403, "not served here")),
    ],
)
def test_what_is_refused(proxy, emulator, headers, body, refusal):
    answer = proxy(body, **headers)
    status, text = refusal
    assert answer.status_code == status
    assert text in answer.json()["description"]
    assert answer.json()["errors"][0]["message"] == answer.json()["description"]
    assert not emulator.requests


def test_the_address_in_a_browser_says_what_it_is_for(proxy):
    assert "remoteProxyConnectionString" in proxy.get().json()["description"]


async def test_only_this_machine_is_served():
    app = create_app(Emulator(RuleEngine(), Settings(hosts=frozenset({"*"}))))
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/__emulator/binding", json={"inputs": ASK}, headers=RUN)
    assert (answer.status_code, answer.json()["description"]) == (403, "/__emulator is served to this machine only.")


def test_a_call_is_answered_whatever_account_and_token_the_emulator_has():
    settings = {"account_id": "f" * 32, "api_token": "another"}
    for given in (settings, {"account_id": None, "api_token": None}):
        with serve(**given) as emulator:
            url = httpx.URL(emulator.base_url).join("/__emulator/binding")
            answer = httpx.post(url, json={"inputs": ASK, "options": {}}, headers=RUN)
            assert answer.json()["response"] == "You said: Hello"
