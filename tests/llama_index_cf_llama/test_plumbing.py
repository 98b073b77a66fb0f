"""A model as an object: stored, pickled, copied, shared, and silent about its account."""

import asyncio
import copy
import json
import logging
import pickle
import subprocess
import sys

import httpx
import pytest
from llama_index.core import Settings as Global
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent
from llama_index.core.llms.utils import resolve_llm

from cf_llama import AuthenticationError, MissingCredentialsError
from cf_llama.protocol import tokens
from llama_index_cf_llama import CloudflareLlama
from llama_index_cf_llama import tokenizer as llama_tokenizer

TOKEN = "a-token-that-must-not-be-seen"
ACCOUNT = "abcdef0123456789abcdef0123456789"
HEADER = "a-header-that-must-not-be-seen"
SECRETS = (TOKEN, ACCOUNT, HEADER)
HELLO = [ChatMessage(role="user", content="Hello")]


@pytest.fixture
def llm():
    return CloudflareLlama(
        api_token=TOKEN, account_id=ACCOUNT, default_headers={"x-mine": HEADER}, temperature=0.5, stop=["END"]
    )


def through_pickle(llm):
    return pickle.loads(pickle.dumps(llm))


@pytest.mark.parametrize(
    "shown",
    [repr, str, lambda llm: llm.to_json(), lambda llm: llm.json(), lambda llm: repr(llm.to_payload())],
    ids=["repr", "str", "to_json", "json", "to_payload"],
)
def test_secrets_are_not_shown(llm, shown):
    assert not any(secret in shown(llm) for secret in SECRETS)


def test_is_an_llm_to_llama_index(llm):
    assert isinstance(llm, BaseLLM)
    assert resolve_llm(llm) is llm


def test_events_tell_the_model_and_its_settings(rules, events):
    llm = rules(temperature=0.5, extra_body={"mine": HEADER}).llm
    llm.chat(HELLO)
    [told] = [event.model_dict for event in events if isinstance(event, LLMChatStartEvent)]
    settings = {"model": llm.model, "model_name": llm.model, "temperature": 0.5, "max_tokens": 2048}
    assert {name: told[name] for name in settings} == settings
    assert "top_p" not in told
    assert HEADER not in str(told)


def test_is_stored_and_restored_by_its_settings(llm, monkeypatch):
    stored = json.loads(llm.to_json())
    assert stored["class_name"] == "CloudflareLlama"
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "from-the-environment")
    restored = CloudflareLlama.from_dict(stored)
    assert restored.to_dict() == llm.to_dict()
    assert restored.api_token.get_secret_value() == "from-the-environment"


def test_a_user_client_is_left_out_of_a_pickle(llm, caplog):
    with httpx.Client() as client, caplog.at_level(logging.ERROR):
        restored = through_pickle(llm.model_copy(update={"http_client": client}))
    assert restored.http_client is None


def test_copies_keep_the_account(llm):
    for copied in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(update={"temperature": 0.1})):
        assert copied.api_token.get_secret_value() == TOKEN
    assert copied.temperature == 0.1


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="temprature"):
        CloudflareLlama(temprature=1)


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_a_missing_account_is_named_at_the_first_call(caller, method):
    with pytest.raises(MissingCredentialsError, match="CLOUDFLARE_ACCOUNT_ID"):
        await caller.call(CloudflareLlama(), method, HELLO)


async def test_a_wrong_token_is_not_in_the_error(rules, caller):
    talk = rules(api_token=TOKEN)
    with pytest.raises(AuthenticationError) as caught:
        await caller.call(talk.llm, "chat", HELLO)
    chain, error = [], caught.value
    while error:
        chain.append(repr(error.__dict__) + repr(error))
        error = error.__cause__ or error.__context__
    assert TOKEN not in "".join(chain)


def test_takes_its_place_in_the_global_settings(rules):
    talk, manager = rules(), CallbackManager([handler := LlamaDebugHandler(print_trace_on_end=False)])
    before = (Global._llm, Global._callback_manager)
    try:
        Global.llm, Global.callback_manager = talk.llm, manager
        assert Global.llm.complete("Hello").text == "You said: Hello"
        assert len(handler.get_llm_inputs_outputs()) == 1
    finally:
        Global._llm, Global._callback_manager = before


async def test_asks_through_the_client_of_the_user(rules, caller):
    seen = []
    client_class, field = (
        (httpx.AsyncClient, "http_async_client") if caller.asynchronous else (httpx.Client, "http_client")
    )

    async def asee(request):
        seen.append(request.url.path)

    hook = asee if caller.asynchronous else lambda request: seen.append(request.url.path)
    client = client_class(event_hooks={"request": [hook]})
    await caller.call(rules(**{field: client}).llm, "complete", "Hello")
    assert len(seen) == 1
    assert not client.is_closed
    await client.aclose() if caller.asynchronous else client.close()


def test_works_in_one_event_loop_after_another(rules):
    talk = rules()
    answers = [asyncio.run(talk.llm.acomplete("Hello")).text for _ in range(2)]
    assert answers == ["You said: Hello"] * 2


def test_counts_with_the_tokenizer_of_the_model():
    if not tokens.is_exact():
        pytest.skip("the tokens extra is not installed")
    assert len(llama_tokenizer("Hello, world!")) == tokens.count_text("Hello, world!")


def test_says_what_to_install_without_llama_index():
    program = "import sys; sys.modules['llama_index'] = None; import llama_index_cf_llama"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert run.stderr.strip().endswith("needs LlamaIndex: pip install 'cf-llama[llama-index]'")
