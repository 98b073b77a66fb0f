"""Account and token: found in the environment, and shown nowhere."""

from __future__ import annotations

import pytest

from cf_llama import Settings
from cf_llama.config.credentials import SECRETS, unwrap_secret, wrap_secrets

ACCOUNT = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
TOKEN = "made-up-token-of-no-account"


def token_of(made):
    return made.api_token and made.api_token.get_secret_value()


@pytest.mark.parametrize(
    ("environment", "token"),
    [
        ({}, None),
        ({"CLOUDFLARE_API_KEY": "k"}, "k"),
        ({"CLOUDFLARE_API_KEY": "k", "CLOUDFLARE_EMAIL": "a@b"}, None),
        ({"CLOUDFLARE_API_KEY": "k", "CF_API_TOKEN": "d"}, "d"),
        ({"CF_API_TOKEN": "d", "CF_AI_API_TOKEN": "c"}, "c"),
        ({"CF_AI_API_TOKEN": "c", "CLOUDFLARE_AUTH_TOKEN": "b"}, "b"),
        ({"CLOUDFLARE_AUTH_TOKEN": "b", "CLOUDFLARE_API_TOKEN": " a\n"}, "a"),
        ({"CLOUDFLARE_API_TOKEN": " ", "CF_API_TOKEN": "d"}, "d"),
    ],
)
def test_the_token_comes_from_the_first_variable_that_is_set(monkeypatch, environment, token):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert token_of(Settings()) == token
    assert token_of(Settings(api_token=TOKEN)) == TOKEN


def test_account_and_base_url_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CF_ACCOUNT_ID", OTHER)
    assert Settings().account_id == OTHER
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:8799/client/v4/")
    monkeypatch.setenv("BASE_URL", "http://elsewhere.example")
    made = Settings(api_token=TOKEN)
    assert made.account_id == ACCOUNT
    assert made.connection().url("@cf/m/x") == f"http://127.0.0.1:8799/client/v4/accounts/{ACCOUNT}/ai/run/@cf/m/x"


def test_what_is_concealed_is_shown_nowhere_and_taken_all_the_same():
    headers = {"x-a": TOKEN}
    given = {"account_id": ACCOUNT, "api_token": TOKEN, "api_key": None, "default_headers": headers, "seed": 7}
    given |= {"extra_headers": headers}
    hidden = wrap_secrets(given)
    assert ACCOUNT not in str(hidden)
    assert TOKEN not in str(hidden)
    assert {name: unwrap_secret(value) for name, value in hidden.items()} == given
    assert wrap_secrets(hidden) == hidden
    made = Settings(**{name: value for name, value in hidden.items() if name not in {"api_key", "extra_headers"}})
    assert (made.account_id, token_of(made), made.default_headers) == (ACCOUNT, TOKEN, {"x-a": TOKEN})
    assert set(SECRETS) == given.keys() - {"seed"}
