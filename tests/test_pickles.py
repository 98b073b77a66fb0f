"""Pickled models, which work in another process: what of the account goes along, the same in both integrations."""

import os
import pickle
import subprocess
import sys

import cloudpickle
import httpx
import pytest

from cf_llama import Budget, MissingCredentialsError, Settings
from cf_llama_emulator.server.threaded import serve
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

ACCOUNT, TOKEN, HEADER = "ab" * 16, "a-token-that-was-passed", "a-header-that-was-passed"
OTHER_ACCOUNT, OTHER_TOKEN = "cd" * 16, "a-token-of-the-environment"
KINDS = [Settings, ChatCloudflareLlama, CloudflareLlamaLLM, CloudflareLlama]
MODELS = {ChatCloudflareLlama: "invoke", CloudflareLlamaLLM: "invoke", CloudflareLlama: "complete"}
LOAD = "import pickle, sys; print(getattr(pickle.load(sys.stdin.buffer), sys.argv[1])('Hi'))"


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def environment(monkeypatch):
    """Return a function that sets account and token."""

    def set_account(account=OTHER_ACCOUNT, token=OTHER_TOKEN):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", token)

    return set_account


def account_of(model):
    return model.account_id, model.api_token.get_secret_value()


def test_what_was_passed_goes_along(kind, environment):
    model = kind(account_id=ACCOUNT, api_token=TOKEN, default_headers={"x-mine": HEADER})
    environment()
    loaded = pickle.loads(pickle.dumps(model))
    assert account_of(loaded) == (ACCOUNT, TOKEN)
    assert loaded.default_headers == {"x-mine": HEADER}


def test_pickling_changes_nothing_of_the_model(kind):
    with httpx.Client() as client:
        model = kind(account_id=ACCOUNT, api_token=lambda: TOKEN, http_client=client, budget=Budget(usd=1))
        before = dict(model.__dict__)
        loaded = pickle.loads(cloudpickle.dumps(model))
        assert model.__dict__ == before
        assert (loaded.http_client, loaded.budget) == (None, None)


def test_what_was_in_the_environment_is_read_again(kind, environment):
    environment()
    pickled = pickle.dumps(kind(temperature=0.5))
    assert OTHER_TOKEN.encode() not in pickled
    assert OTHER_ACCOUNT.encode() not in pickled
    environment(ACCOUNT, TOKEN)
    loaded = pickle.loads(pickled)
    assert account_of(loaded) == (ACCOUNT, TOKEN)
    assert loaded.temperature == 0.5
    assert TOKEN.encode() not in pickle.dumps(loaded)  # as often as it travels


def test_an_account_may_be_passed_and_its_token_not(kind, environment):
    environment()
    loaded = pickle.loads(pickle.dumps(kind(account_id=ACCOUNT)))
    assert account_of(loaded) == (ACCOUNT, OTHER_TOKEN)


def test_a_token_that_was_set_later_goes_along(kind, environment):
    environment()
    changed = kind()
    changed.api_token = TOKEN
    for model in (changed, kind().model_copy(update={"api_token": TOKEN})):
        assert account_of(pickle.loads(pickle.dumps(model))) == (OTHER_ACCOUNT, TOKEN)


def test_a_function_that_cannot_be_pickled_is_not_left_out(kind, environment):
    environment()
    model = kind(api_token=lambda: TOKEN)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)
    assert pickle.loads(cloudpickle.dumps(model)).api_token() == TOKEN


@pytest.mark.parametrize("model", MODELS)
def test_without_an_account_the_first_call_says_what_is_missing(model, environment, monkeypatch):
    environment()
    pickled = pickle.dumps(model())
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    with pytest.raises(MissingCredentialsError, match="CLOUDFLARE_API_TOKEN"):
        getattr(pickle.loads(pickled), MODELS[model])("Hi")


@pytest.mark.parametrize("passed", [True, False], ids=["passed", "environment"])
@pytest.mark.parametrize("model", MODELS)
def test_it_works_in_another_process(model, passed, monkeypatch):
    with serve() as emulator:
        account = {"CLOUDFLARE_ACCOUNT_ID": emulator.account_id, "CLOUDFLARE_API_TOKEN": emulator.api_token}
        if passed:
            made = model(base_url=emulator.base_url, account_id=emulator.account_id, api_token=emulator.api_token)
        else:
            for name, value in account.items():
                monkeypatch.setenv(name, value)
            made = model(base_url=emulator.base_url)
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-c", LOAD, MODELS[model]],
            input=pickle.dumps(made),
            capture_output=True,
            check=False,
            env=os.environ | ({} if passed else account),
        )
    assert "You said: Hi" in done.stdout.decode(), done.stderr.decode()
