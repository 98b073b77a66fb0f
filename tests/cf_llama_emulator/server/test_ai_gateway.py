"""The gateway's headers and its cache."""

import json

import httpx
import pytest

from cf_llama_emulator.server.ai_gateway import CAPACITY, Cache, cache_key
from tests.cf_llama_emulator.client import MODEL, ask_user, events_of

ASK = ask_user("Hello")
THROUGH = {"cf_aig_gateway_id": "mine"}


@pytest.fixture
def client(script):
    return script("One", "two", "three", "four")


def asked(client, body=ASK, **headers):
    answer = client.run(body, **headers)
    return answer.headers.get("cf-aig-cache-status"), answer.text


def test_only_a_request_that_names_a_gateway_gets_its_headers(client):
    assert not [name for name in client.run(ASK).headers if name.startswith("cf-aig")]
    headers = client.run(ASK, **THROUGH).headers
    assert (headers["cf-aig-provider"], headers["cf-aig-step"], headers["cf-aig-cache-status"]) == (
        "workers-ai",
        "0",
        "MISS",
    )
    assert len(headers["cf-aig-log-id"]) == 36


def test_nothing_is_kept_unless_asked_for(client):
    assert asked(client, **THROUGH)[1] != asked(client, **THROUGH)[1]
    skipping = THROUGH | {"cf_aig_cache_ttl": "60", "cf_aig_skip_cache": "true"}
    assert [asked(client, **skipping)[0] for _ in range(2)] == ["MISS", "MISS"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_identical_request_hits(client, stream):
    caching = THROUGH | {"cf_aig_cache_ttl": "60"}
    body = ASK | {"stream": stream}
    (first, text), (second, again) = asked(client, body, **caching), asked(client, body, **caching)
    assert (first, second) == ("MISS", "HIT")
    assert text == again
    assert "One" in text
    assert asked(client, ask_user("Other") | {"stream": stream}, **caching)[0] == "MISS"
    assert asked(client, body, **caching | {"cf_aig_gateway_id": "other"})[0] == "MISS"


def test_a_key_of_ones_own_stands_for_the_request(client):
    caching = THROUGH | {"cf_aig_cache_key": "k"}
    assert [asked(client, ask_user(text), **caching)[0] for text in ("a", "b")] == ["MISS", "HIT"]


def test_what_is_kept_ends(client):
    caching = THROUGH | {"cf_aig_cache_ttl": "0"}
    assert [asked(client, **caching)[0] for _ in range(2)] == ["MISS", "MISS"]


def test_refusals_are_not_kept(client):
    caching = THROUGH | {"cf_aig_cache_ttl": "60"}
    client.emulator.faults("capacity")
    assert client.run(ASK, **caching).status_code == 429
    assert asked(client, **caching)[0] == "MISS"


def test_the_cache_is_bounded():
    cache = Cache()
    for number in range(CAPACITY + 1):
        cache._keep(str(number), {}, _Answer, b"")
    assert len(cache._cached) == CAPACITY
    assert cache.find("0") is None
    assert cache.find(str(CAPACITY)) is not None


class _Answer:
    status_code, headers = 200, {}


def test_without_a_gateway_there_is_no_key():
    assert cache_key({"cf-aig-cache-ttl": "60"}, None, "/", b"") is None


@pytest.fixture(scope="module")
def host(rules):
    """The gateway's own host, as the emulator has it."""
    return f"{rules.emulator.base_url.removesuffix('/client/v4')}/v1/{rules.emulator.account_id}/mine/workers-ai"


@pytest.mark.parametrize("route", ["", "run/"])
def test_the_gateways_own_host_answers_in_the_envelope(rules, host, route):
    answer = rules.http.post(f"{host}/{route}{MODEL}", json=ASK)
    assert answer.json()["result"]["response"] == "You said: Hello"
    assert (answer.headers["cf-aig-provider"], answer.headers["cf-aig-model"]) == ("workers-ai", MODEL)
    assert rules.emulator.requests[-1].path == f"/v1/{rules.emulator.account_id}/mine/workers-ai/{route}{MODEL}"


def test_the_gateways_own_host_streams_and_polls(rules, host):
    assert events_of(rules.http.post(f"{host}/{MODEL}", json=ASK | {"stream": True}).text)
    job = rules.http.post(f"{host}/{MODEL}?queueRequest=true", json={"requests": [{"prompt": "Hello"}]}).json()
    answer = rules.http.post(f"{host}/{MODEL}", json={"request_id": job["result"]["request_id"]})
    assert answer.json()["success"]


def test_the_gateways_own_host_has_the_openai_route(rules, host):
    answer = rules.http.post(f"{host}/v1/chat/completions", json=ASK | {"model": MODEL})
    assert answer.json()["choices"][0]["message"]["content"] == "You said: Hello"
    assert answer.headers["cf-aig-model"] == MODEL


@pytest.mark.parametrize("route", [MODEL, "v1/chat/completions"])
@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, {"messages": 1}, (400, 5006)),
        ({"authorization": "Bearer wrong"}, {}, (401, 2009)),
        ({"authorization": ""}, {}, (401, 2009)),
        ({"x-emulator-faults": "rate-limited"}, ASK, (429, 3021)),
        ({"x-emulator-faults": "error=2003"}, ASK, (429, 2003)),
    ],
)
def test_the_gateways_own_host_refuses_in_its_own_form(host, route, headers, body, expected):
    credentials = {"authorization": "Bearer emulator-token"}
    answer = httpx.post(f"{host}/{route}", json={"model": MODEL} | body, headers=credentials | headers)
    refusal = answer.json()
    assert (answer.status_code, refusal["error"][0]["code"]) == expected
    assert refusal["internalCode"] == expected[1]
    assert (refusal["name"], "errors" in refusal) == ("AiGatewayError", False)


def test_another_form_goes_over_the_gateways_own(rules, host):
    answer = rules.http.post(f"{host}/{MODEL}", json=ASK, headers={"x-emulator-faults": "page=502"})
    assert "502: Bad Gateway" in answer.text
    answer = rules.http.post(f"{host}/{MODEL}", json=ASK, headers={"x-emulator-faults": "capacity, form=openai"})
    assert answer.json()["error"]["code"] == 3040


def test_a_malformed_account_is_refused_on_the_gateways_own_host_too(rules, host):
    answer = rules.http.post(host.replace(rules.emulator.account_id, "abc") + f"/{MODEL}", json=ASK)
    assert (answer.status_code, answer.json()["error"][0]["code"]) == (404, 7003)


def test_each_gateway_keeps_answers_of_its_own(client):
    origin = client.emulator.base_url.removesuffix("/client/v4")
    caching = {"cf-aig-cache-ttl": "60"}
    statuses = []
    for gateway in ("a", "a", "b"):
        url = f"{origin}/v1/{client.emulator.account_id}/{gateway}/workers-ai/{MODEL}"
        statuses.append(client.http.post(url, json=ASK, headers=caching).headers["cf-aig-cache-status"])
    assert statuses == ["MISS", "HIT", "MISS"]


@pytest.mark.parametrize("model", ["模型", "a\r\nx: y", "\ud800"])
def test_a_model_of_any_name_is_refused_as_ever(client, model):
    content = json.dumps({"model": model, "messages": []})
    url, headers = f"{client.account}/ai/v1/chat/completions", {"cf-aig-gateway-id": "mine"}
    answer = client.http.post(url, content=content, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 5007)
    assert "x" not in answer.headers
