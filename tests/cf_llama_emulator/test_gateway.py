"""The gateway's headers and its cache."""

import pytest

from cf_llama_emulator.gateway import CAPACITY, Cache, cache_key
from tests.cf_llama_emulator.client import ask_user

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
    assert len(cache._kept) == CAPACITY
    assert cache.find("0") is None
    assert cache.find(str(CAPACITY)) is not None


class _Answer:
    status_code, headers = 200, {}


def test_without_a_gateway_there_is_no_key():
    assert cache_key({"cf-aig-cache-ttl": "60"}, "/", b"") is None
