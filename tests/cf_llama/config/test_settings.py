"""Everything that can be set: from where, in which range, per call, and never shown where it is secret."""

from __future__ import annotations

import copy
import pickle

import httpx
import httpx2
import pytest
from pydantic import ValidationError

from cf_llama import InvalidRequestError, MissingCredentialsError, Settings, Timeouts
from cf_llama.config.settings import REQUEST_FIELDS

ACCOUNT = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
TOKEN = "made-up-token-of-no-account"


def settings(**fields):
    return Settings(**{"account_id": ACCOUNT, "api_token": TOKEN} | fields)


def token_of(made):
    return made.api_token and made.api_token.get_secret_value()


@pytest.mark.parametrize(("fields", "name"), [({"account_id": None}, "ACCOUNT_ID"), ({"api_token": None}, "API_TOKEN")])
def test_what_is_missing_is_named_at_the_first_request(fields, name):
    made = settings(**fields)
    with pytest.raises(MissingCredentialsError, match=f"CLOUDFLARE_{name}"):
        made.connection()


def test_both_names_of_the_token_are_one():
    assert token_of(Settings(api_key=TOKEN)) == token_of(Settings(api_token=TOKEN)) == TOKEN
    assert token_of(settings().for_call({"api_key": "other"})) == "other"


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("temperature", 0, 5),
        ("top_p", 0.001, 1),
        ("top_k", 1, 50),
        ("seed", 1, 9_999_999_999),
        ("repetition_penalty", 0, 2),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
        ("max_tokens", 1, 24_000),
    ],
)
def test_ranges_are_those_of_the_page(name, low, high):
    assert [getattr(settings(**{name: value}), name) for value in (low, high)] == [low, high]
    for value in (low - 1, high + 1, float("nan"), "many"):
        with pytest.raises(ValidationError, match=name):
            settings(**{name: value})
        with pytest.raises(InvalidRequestError, match=name):
            settings().for_call({name: value})
    with pytest.raises(InvalidRequestError, match=f"from {low:,} to {high:,}"):
        settings().for_call({name: high + 1})


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": 1},
        {"account_id": "not-hex"},
        {"account_id": "${CLOUDFLARE_ACCOUNT_ID}"},
        {"api_token": ""},
        {"api_token": "two words"},
        {"api_token": "line\nbreak"},
        {"api_token": "${CLOUDFLARE_API_TOKEN}"},
        {"api_token": "cfk_global"},
        {"api_token": "0123456789abcdef0123456789abcdef01234"},
        {"base_url": "api.cloudflare.com"},
        {"base_url": "ftp://api.cloudflare.com"},
        {"base_url": "https://user:secret@api.cloudflare.com/client/v4"},
        {"base_url": "https://api.cloudflare.com/client/v4?x=1"},
        {"model": "../../other"},
        {"model": "@cf/meta/llama?x"},
        {"session_id": "a\r\nb: c"},
        {"gateway": "ü"},
        {"default_headers": {"Authorization": "Bearer other"}},
        {"default_headers": {"Connection": "close"}},
        {"default_headers": {"Accept-Encoding": "br"}},
        {"default_headers": {"a b": "x"}},
        {"default_headers": {"x": "a\nb"}},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "half a minute"},
        {"max_retries": -1},
        {"lora": ""},
        {"stop": [1]},
        {"http_client": "neither"},
    ],
)
def test_bad_values_are_refused_at_once_by_name_and_without_the_value(fields):
    ((name, value),) = fields.items()
    with pytest.raises(ValidationError, match=name) as caught:
        settings(**fields)
    assert not value or str(value) not in str(caught.value) or not isinstance(value, str)
    with pytest.raises(InvalidRequestError, match=name):
        settings().for_call(fields)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_clients_are_told_apart(library):
    with library.Client() as client:
        assert settings(http_client=client).http_client is client
        with pytest.raises(ValidationError, match="http_async_client must be"):
            settings(http_async_client=client)
    with pytest.raises(ValidationError, match="http_client must be"):
        settings(http_client=library.AsyncClient())


def test_convenient_forms_are_one():
    assert settings(stop="END").stop == settings(stop=["END", ""]).stop == ("END",)
    assert settings(stop=None).stop == ()
    assert settings(max_tokens=None).max_tokens == 2048
    assert settings(timeout=5).timeout == Timeouts(read=5, stall=5)
    with pytest.raises(ValidationError, match="number of seconds"):
        settings(timeout="5")
    assert settings(timeout=None).timeout == Timeouts() == Timeouts(connect=10, read=130, stall=60)
    assert settings(base_url=" https://x.example/client/v4/ ").base_url == "https://x.example/client/v4"


def test_none_that_is_assigned_stands_for_the_default():
    made = settings(max_retries=5, max_tokens=10, timeout=5, stop="END")
    for name in ("max_retries", "max_tokens", "timeout", "stop", "default_headers"):
        setattr(made, name, None)
    assert (made.max_retries, made.max_tokens, made.timeout, made.stop) == (2, 2048, Timeouts(), ())
    assert made.default_headers == {}


def test_every_field_can_be_set_for_one_call():
    made = settings(temperature=1)
    values = {"temperature": 0, "account_id": OTHER, "timeout": 3, "default_headers": {"x": "y"}, "stop": "END"}
    call = made.for_call(values)
    assert (call.temperature, call.account_id, call.timeout.read, call.stop) == (0, OTHER, 3, ("END",))
    assert call.connection().headers == {"x": "y"}
    assert (made.temperature, made.account_id, made.stop) == (1, ACCOUNT, ())


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InvalidRequestError, match=r"temprature: no such setting; did you mean temperature\?"):
        settings().for_call({"temprature": 1})


def test_request_fields_are_what_an_answer_depends_on():
    fields = settings(seed=7).request_fields()
    assert fields["seed"] == 7
    assert set(fields) == set(REQUEST_FIELDS)
    assert not {"account_id", "api_token", "timeout", "http_client"} & set(fields)


@pytest.mark.parametrize("show", [repr, str, Settings.model_dump_json, Settings.model_dump, Settings.connection])
def test_neither_token_nor_account_is_shown(show):
    made = settings(default_headers={"cf-aig-authorization": "Bearer secret-gateway"})
    shown = repr(show(made))
    assert TOKEN not in shown
    assert ACCOUNT not in shown
    assert "secret-gateway" not in shown


def pickled(made):
    return pickle.loads(pickle.dumps(made))


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, Settings.model_copy, pickled])
def test_settings_travel_and_drag_no_socket_along(travel):
    with httpx.Client() as client:
        made = settings(temperature=1, http_client=client)
        arrived = travel(made)
        assert (arrived.temperature, token_of(arrived), arrived.account_id) == (1, TOKEN, ACCOUNT)
        assert arrived.http_client is (None if travel is pickled else client)
        assert made.http_client is client


def test_a_copy_with_another_account_uses_it():
    assert settings().model_copy(update={"account_id": OTHER}).connection().account_id == OTHER


def test_a_change_is_checked_as_well_as_the_first_value():
    assert Settings().model_copy(update={"gateway": "mine", "timeout": 5}).gateway.id == "mine"
    changed = Settings()
    changed.timeout = 5
    assert changed.timeout.read == 5
    with pytest.raises(ValidationError, match="temperature"):
        changed.temperature = 9
    for change in ({"temperature": 9}, {"temprature": 1}):
        with pytest.raises(ValueError, match=next(iter(change))):
            Settings().model_copy(update=change)
