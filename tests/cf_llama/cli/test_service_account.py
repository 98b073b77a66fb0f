"""The account with which the playground asks the real service, out of the environment."""

import signal

import httpx
import pytest

from cf_llama.cli.service_account import service_from_environment
from cf_llama.config.credentials import ACCOUNT_VARIABLES, TOKEN_VARIABLES
from cf_llama_emulator.server import serve
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN
from tests.cf_llama.cli.test_serve import read_banner, started
from tests.cf_llama_emulator.client import ask_user

ACCOUNT, TOKEN = "00112233445566778899aabbccddeeff", "cfut_secret-token"
OTHERS = ("CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY", "CLOUDFLARE_BASE_URL")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Return a function that sets variables; all others of an account are unset."""
    for name in (*ACCOUNT_VARIABLES, *TOKEN_VARIABLES, *OTHERS):
        monkeypatch.delenv(name, raising=False)
    return lambda **values: [monkeypatch.setenv(*each) for each in values.items()]


def test_it_is_named_as_the_models_read_it(environment):
    assert service_from_environment() is None
    environment(CF_ACCOUNT_ID=ACCOUNT, CF_API_TOKEN=TOKEN)
    account = service_from_environment()
    assert (account.account_id, account.api_token) == (ACCOUNT, TOKEN)
    assert account.base_url == "https://api.cloudflare.com/client/v4"
    environment(CLOUDFLARE_BASE_URL="http://127.0.0.1:9/client/v4/")
    assert service_from_environment().base_url == "http://127.0.0.1:9/client/v4"


def test_the_emulators_own_account_is_none(environment):
    environment(CLOUDFLARE_ACCOUNT_ID=ACCOUNT_ID, CLOUDFLARE_API_TOKEN=API_TOKEN)
    assert service_from_environment() is None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"CLOUDFLARE_ACCOUNT_ID": ACCOUNT}, "api_token is missing"),
        ({"CLOUDFLARE_API_TOKEN": TOKEN}, "account_id is missing"),
        ({"CLOUDFLARE_ACCOUNT_ID": "no-account", "CLOUDFLARE_API_TOKEN": TOKEN}, "account_id must be 32"),
        (
            {
                "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
                "CLOUDFLARE_API_TOKEN": TOKEN,
                "CLOUDFLARE_BASE_URL": "http://other.example/client/v4",
            },
            "base_url must be https",
        ),
    ],
)
def test_what_cannot_be_right_is_named_without_its_value_and_serve_starts_all_the_same(environment, values, named):
    environment(**values)
    with pytest.raises(ValueError, match=named) as error:
        service_from_environment()
    assert TOKEN not in str(error.value)
    with started("--engine", "rule") as process:
        banner, _ = read_banner(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert f"It asks the emulator alone: {named}" in banner
    assert TOKEN not in banner + out


def test_serve_offers_it_and_prints_neither_account_nor_token(environment):
    with serve(account_id=ACCOUNT, api_token=TOKEN) as service:
        environment(CLOUDFLARE_ACCOUNT_ID=ACCOUNT, CLOUDFLARE_API_TOKEN=TOKEN, CLOUDFLARE_BASE_URL=service.base_url)
        with started("--engine", "rule") as process:
            banner, _ = read_banner(process)
            page = banner.partition("playground ")[2].split()[0]
            config = httpx.get(f"{page}playground/config.json")
            headers = {"origin": page.rstrip("/"), "x-playground-key": config.json()["service"]["key"]}
            answer = httpx.post(f"{page}playground/service", json=ask_user("Hi"), headers=headers)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert answer.json()["result"]["response"] == "You said: Hi"
    assert "with your account" in banner
    assert " POST /playground/service 200 " in out
    for secret in (TOKEN, ACCOUNT):
        assert secret not in banner + out + err + config.text + answer.text


def test_without_the_playground_it_is_not_read(environment):
    environment(CLOUDFLARE_ACCOUNT_ID=ACCOUNT, CLOUDFLARE_API_TOKEN=TOKEN)
    with started("--engine", "rule", "--no-playground") as process:
        banner, exported = read_banner(process)
        answer = httpx.post(exported["CLOUDFLARE_BASE_URL"].replace("client/v4", "playground/service"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert "with your account" not in banner
    assert answer.status_code == 400
