"""AI Gateway's settings as headers, and what is refused before the service would drop it."""

import pytest

from cf_llama import ChatRequest, Gateway, InvalidRequestError, Settings

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])


def connection(gateway, **settings):
    return Settings(account_id="0" * 32, api_token="made-up", gateway=gateway, **settings).connection()


def test_an_id_is_enough():
    assert Settings(gateway="mine").gateway == Gateway(id="mine")
    assert connection("mine").headers == {"cf-aig-gateway-id": "mine"}


def test_every_setting_has_its_header_in_its_unit():
    gateway = Gateway(
        id="mine",
        cache_ttl=60,
        cache_key="key",
        skip_cache=False,
        collect_log=True,
        metadata={"team": "ä", "run": 7, "paid": True},
        event_id="e",
        request_timeout=1.5,
        max_attempts=2,
        retry_delay=0.25,
        backoff="linear",
    )
    assert gateway.headers() == {
        "cf-aig-gateway-id": "mine",
        "cf-aig-cache-ttl": "60",
        "cf-aig-cache-key": "key",
        "cf-aig-skip-cache": "false",
        "cf-aig-collect-log": "true",
        "cf-aig-metadata": '{"team": "\\u00e4", "run": 7, "paid": true}',
        "cf-aig-event-id": "e",
        "cf-aig-request-timeout": "1500",
        "cf-aig-max-attempts": "2",
        "cf-aig-retry-delay": "250",
        "cf-aig-backoff": "linear",
    }
    assert Gateway(**gateway.as_json()) == gateway


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "a/../b"),
        ("id", ""),
        ("cache_ttl", 59),
        ("cache_ttl", 60 * 60 * 24 * 31),
        ("cache_key", "line\r\nbreak"),
        ("metadata", {str(number): 1 for number in range(6)}),
        ("metadata", {"a": None}),
        ("metadata", {"a": {"b": 1}}),
        ("metadata", {"cf.a": 1}),
        ("metadata", {"a": float("nan")}),
        ("metadata", {"a": float("inf")}),
        ("request_timeout", 0),
        ("request_timeout", 0.0004),
        ("request_timeout", float("inf")),
        ("max_attempts", 6),
        ("retry_delay", 5.1),
        ("backoff", "quadratic"),
        ("cache_tll", 60),
    ],
)
def test_what_the_service_would_drop_or_refuse_is_refused_here(field, value):
    with pytest.raises(InvalidRequestError, match=field):
        Settings().for_call({"gateway": {"id": "mine", field: value}})


def test_the_legacy_host_has_the_gateway_in_its_path():
    legacy = connection(Gateway(id="mine", legacy_host=True))
    assert legacy.url(HI.model) == (
        f"https://gateway.ai.cloudflare.com/v1/{'0' * 32}/mine/workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    )
    assert "cf-aig-gateway-id" not in legacy.headers


def test_an_emulator_on_this_machine_stands_in_for_the_legacy_host():
    local = connection(Gateway(id="mine", legacy_host=True), base_url="http://127.0.0.1:8799/client/v4")
    assert local.url("@cf/m/x") == f"http://127.0.0.1:8799/v1/{'0' * 32}/mine/workers-ai/@cf/m/x"
