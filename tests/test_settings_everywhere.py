from __future__ import annotations

import pytest
from pydantic import ValidationError

from cf_llama import InvalidRequestError, Settings
from cf_llama.config.credentials import wrap_secrets
from cf_llama.config.setting_names import NAMES_ELSEWHERE, NEEDLESS_HERE, unknown_setting
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

MODELS = [Settings, ChatCloudflareLlama, CloudflareLlamaLLM, CloudflareLlama]


@pytest.mark.parametrize("model", MODELS)
def test_none_stands_for_the_default(model):
    given, default = model(**dict.fromkeys(model.model_fields)), model()
    for name in Settings.model_fields:
        assert getattr(given, name) == getattr(default, name)


def test_none_leaves_it_to_the_callers_when_to_stream():
    assert "streaming" not in ChatCloudflareLlama(streaming=None).model_fields_set


def test_none_in_a_call_leaves_what_is_never_none():
    settings = Settings(max_retries=7, max_tokens=100, temperature=1.5)
    call = settings.for_call({"max_retries": None, "base_url": None, "model": None, "temperature": None})
    assert (call.max_retries, call.max_tokens, call.temperature) == (7, 100, None)


@pytest.mark.parametrize("model", MODELS)
def test_a_copy_takes_none_and_slips_as_a_call_does(model):
    copied = model(max_retries=7, temperature=1.5).model_copy(update={"max_retries": None, "temperature": None})
    assert (copied.max_retries, copied.temperature) == (7, None)
    with pytest.raises(ValueError, match=r"temperatur: no such setting; did you mean temperature\?"):
        copied.model_copy(update={"temperatur": 0})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("name", "meant"), [("temperatur", "temperature"), ("num_predict", "max_tokens")])
def test_a_slip_is_told_what_it_was_meant_to_be(model, name, meant):
    with pytest.raises(ValidationError, match=rf"{name}: no such setting; did you mean {meant}\?"):
        model(**{name: 1})
    with pytest.raises(InvalidRequestError, match=rf"{name}: no such setting; did you mean {meant}\?"):
        model().for_call({name: 1})


@pytest.mark.parametrize("model", MODELS)
def test_a_token_under_both_of_its_names_is_refused_by_both(model):
    with pytest.raises(ValidationError, match="api_token and api_key are two names of one setting"):
        model(api_token="a-token", api_key="another")


def test_a_name_like_no_other_is_told_all_there_are():
    assert unknown_setting("zzz", ["top_p", "seed"]) == "zzz: no such setting; there are seed, top_p"


@pytest.mark.parametrize("model", MODELS)
def test_a_name_that_is_not_needed_here_is_to_be_left_out(model):
    with pytest.raises(ValidationError, match="is_chat_model: no such setting; it is not needed here, leave it out"):
        model(is_chat_model=True)
    assert not NEEDLESS_HERE & Settings.model_fields.keys()


def test_what_others_call_a_setting_is_one():
    assert set(NAMES_ELSEWHERE.values()) <= Settings.model_fields.keys()
    assert not NAMES_ELSEWHERE.keys() & Settings.model_fields.keys()


@pytest.mark.parametrize("model", MODELS)
def test_an_extra_body_with_a_field_that_has_a_setting_is_refused(model):
    with pytest.raises(ValidationError, match="extra_body must not hold max_tokens"):
        model(extra_body={"max_tokens": 5})


@pytest.mark.parametrize("model", MODELS)
def test_a_function_gives_the_token_for_each_call_and_is_never_shown(model):
    tokens = iter(["a-first-token", "another-token"])
    llm = model(account_id="0" * 32, api_token=lambda: next(tokens))
    sent = [llm.connection().http_headers()["authorization"] for _ in range(2)]
    assert sent == ["Bearer a-first-token", "Bearer another-token"]
    assert "api_token" not in repr(llm)


@pytest.mark.parametrize("model", MODELS)
def test_a_function_can_give_the_token_of_one_call(model):
    call = model(account_id="0" * 32).for_call(wrap_secrets({"api_key": lambda: "a-token"}))
    assert call.connection().http_headers()["authorization"] == "Bearer a-token"


async def give_token():
    return "a-token"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("given", [give_token, 5])
def test_what_gives_no_token_is_refused_when_it_is_given(model, given):
    message = "must be a text, or a function that gives one and is not async"
    with pytest.raises(ValidationError, match=message):
        model(api_token=given)
    with pytest.raises(InvalidRequestError, match=f"^api_token: {message}$"):
        model().for_call({"api_key": given})


def test_a_function_that_gives_no_text_is_told():
    with pytest.raises(InvalidRequestError, match="api_token: the function must return a str, not NoneType"):
        Settings(account_id="0" * 32, api_token=lambda: None).connection()
