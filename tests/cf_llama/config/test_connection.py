"""Where a request goes: never in the clear to another machine, and never with a header of someone else's."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from cf_llama import Connection, InvalidRequestError, MissingCredentialsError
from cf_llama.config.connection import check_base_url, is_loopback

ACCOUNT = "0123456789abcdef0123456789abcdef"


def connection(**fields):
    given = {"base_url": "https://api.cloudflare.com/client/v4", "account_id": ACCOUNT, "api_token": SecretStr("token")}
    return Connection(**given | fields)


@pytest.mark.parametrize(
    "url", ["https://x.example", "http://localhost:8799", "http://127.0.0.1", "http://[::1]:8799", "http://a.localhost"]
)
def test_the_token_goes_over_https_or_to_this_machine(url):
    assert connection(base_url=url).url("@cf/m/x") == f"{url}/accounts/{ACCOUNT}/ai/run/@cf/m/x"


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example",
        "http://localhost.x.example",
        "http://127.0.0.1.x.example",
        "http://0x7f.1",
        "http://10.0.0.1",
    ],
)
def test_the_token_goes_nowhere_else_without_a_switch(url):
    with pytest.raises(InvalidRequestError, match="allow_insecure_base_url"):
        connection(base_url=url)
    assert connection(base_url=url, allow_insecure_base_url=True).base_url == url


@pytest.mark.parametrize(
    ("fields", "kind", "name"),
    [
        ({"account_id": ""}, MissingCredentialsError, "CLOUDFLARE_ACCOUNT_ID"),
        ({"account_id": None, "api_token": None}, MissingCredentialsError, r"(?s)CLOUDFLARE_ACCOUNT_ID.*_API_TOKEN"),
        ({"account_id": "abc"}, InvalidRequestError, "32 hexadecimal"),
        ({"api_token": None}, MissingCredentialsError, "CLOUDFLARE_API_TOKEN"),
        ({"api_token": SecretStr("")}, MissingCredentialsError, "CLOUDFLARE_API_TOKEN"),
        ({"api_token": SecretStr("a b")}, InvalidRequestError, "api_token"),
        ({"api_token": SecretStr("cfk_x")}, InvalidRequestError, "global API key"),
        ({"account_id": ACCOUNT[:31]}, InvalidRequestError, "this has 31 characters"),
        ({"account_id": "g" * 32}, InvalidRequestError, "this has other characters"),
        ({"account_id": f'"{ACCOUNT}"'}, InvalidRequestError, "account_id.* quotation marks"),
        ({"account_id": "someone@example.com"}, InvalidRequestError, "e-mail address"),
        ({"account_id": "x-" * 20, "api_token": SecretStr(ACCOUNT)}, InvalidRequestError, "swapped"),
        ({"account_id": "cfut_x", "api_token": SecretStr(ACCOUNT)}, InvalidRequestError, "swapped"),
        ({"api_token": SecretStr(ACCOUNT)}, InvalidRequestError, "form of an account id"),
        ({"api_token": SecretStr("'token'")}, InvalidRequestError, "api_token.* quotation marks"),
        ({"api_token": SecretStr("Bearer token")}, InvalidRequestError, "remove the word Bearer"),
        ({"api_token": SecretStr("to\nken")}, InvalidRequestError, "without spaces or line breaks"),
        ({"base_url": "nowhere"}, InvalidRequestError, "base_url"),
        ({"base_url": "https://a..b"}, InvalidRequestError, "base_url"),
        ({"base_url": f"https://{'a' * 64}.b"}, InvalidRequestError, "base_url"),
        ({"base_url": "https://a:65536"}, InvalidRequestError, "base_url"),
        ({"base_url": "http://localhost@x.example"}, InvalidRequestError, "base_url"),
    ],
)
def test_what_cannot_work_is_refused(fields, kind, name):
    with pytest.raises(kind, match=name):
        connection(**fields)


def test_an_account_id_is_written_as_cloudflare_writes_it():
    assert connection(account_id=f" {ACCOUNT.upper()}\n").url("@cf/a/b").endswith(f"/accounts/{ACCOUNT}/ai/run/@cf/a/b")


def test_headers_of_a_request():
    made = connection(headers={"x-team": "a"}, user_agent="integration")
    headers = made.http_headers()
    assert headers.pop("user-agent").startswith("integration/")
    assert headers == {"x-team": "a", "authorization": "Bearer token", "content-type": "application/json"}


@pytest.mark.parametrize(("host", "loopback"), [("127.9.9.9", True), ("::1", True), ("128.0.0.1", False), ("", False)])
def test_knows_this_machine(host, loopback):
    assert is_loopback(host) is loopback


API = "https://api.cloudflare.com"


@pytest.mark.parametrize(
    ("base_url", "advice"),
    [
        (f"{API}/client/v4/accounts/{ACCOUNT}/ai/run", "take off /accounts/"),
        (f"{API}/client/v4/accounts/{ACCOUNT}/ai/v1/", "take off /accounts/"),
        (f"{API}/client/v4/ai", "take off /ai"),
        (f"http://127.0.0.1:8799/client/v4/accounts/{ACCOUNT}", "take off /accounts/"),
        (f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/mine/workers-ai", "gateway="),
        (API, "must end in /client/v4: https://api.cloudflare.com/client/v4"),
        (f"{API}/v4", "must end in /client/v4"),
    ],
)
def test_a_base_url_that_is_too_long_or_too_short_says_what_to_change(base_url, advice):
    with pytest.raises(ValueError, match=re.escape(advice)) as caught:
        check_base_url(base_url)
    assert "base_url must end in /client/v4" in str(caught.value)
    assert ACCOUNT not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", [f"{API}/client/v4", f"{API}/client/v4/", "http://127.0.0.1:8799/client/v4", "https://proxy.example/cf"]
)
def test_a_base_url_may_lead_to_a_server_of_ones_own(base_url):
    assert check_base_url(base_url) == base_url.rstrip("/")
