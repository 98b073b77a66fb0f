from __future__ import annotations

import copy
import importlib
import json
import pickle
import re
import sys

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, trim_messages
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from pydantic import ValidationError

from cf_llama.config.connection import Timeouts
from cf_llama.protocol import tokens
from cf_llama.version import __version__
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
TOKEN = "a-token-that-nobody-may-see"
KINDS = [ChatCloudflareLlama, CloudflareLlamaLLM]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def llm(kind):
    return kind(
        account_id=ACCOUNT_ID,
        api_token=TOKEN,
        temperature=0.5,
        seed=7,
        stop=["end"],
        timeout=Timeouts(connect=1, read=None, stall=3),
        default_headers={"x-secret": TOKEN},
    )


# --- it is plain data


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")  # said once in a process, and we mean to use it
def test_it_is_dumped_and_loaded_with_its_secrets_as_references(llm, kind, monkeypatch):
    text = dumps(llm)
    assert TOKEN not in text
    assert ACCOUNT_ID not in text

    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT_ID)
    loaded = load(
        json.loads(text), allowed_objects=[kind], valid_namespaces=["langchain_cf_llama"], secrets_from_env=True
    )

    assert loaded.model_copy(update={"default_headers": llm.default_headers}) == llm
    assert (loaded.account_id, loaded.api_token.get_secret_value()) == (ACCOUNT_ID, TOKEN)


COPIES = {
    "pickle": lambda llm: pickle.loads(pickle.dumps(llm)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda llm: llm.model_copy(),
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_equal_and_works(stage, kind, caller, copied):
    llm = stage.model("Yes.", "Yes.", kind=kind)
    caller.invoke(llm, "hi")  # whatever a call leaves behind must be copied too

    copy_of_it = copied(llm)

    assert copy_of_it == llm
    caller.invoke(copy_of_it, "hi")


def test_no_secret_is_printed(llm):
    shown = (
        repr(llm) + str(llm) + str(llm.asdict()) + str(llm._get_ls_params()) + llm.model_dump_json(exclude={"cache"})
    )

    assert TOKEN not in shown
    assert ACCOUNT_ID not in shown


class Trace(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen = ""

    def on_chat_model_start(self, *args, **kwargs):
        self.seen += repr((args, kwargs))

    on_llm_start = on_chat_model_start


@pytest.mark.parametrize("name", ["api_token", "api_key"])
def test_a_token_for_one_call_is_used_and_not_traced(native_stage, kind, caller, name):
    trace, cache = Trace(), InMemoryCache()
    llm = native_stage.model("Yes.", "Yes.", kind=kind, api_token="wrong", cache=cache)
    config, right = {"callbacks": [trace]}, {name: native_stage.emulator.api_token}

    caller.invoke(llm, "hi", config, **right)
    caller.stream(llm, "hi", config, **right)

    assert trace.seen.count("Cloudflare") > 1
    assert native_stage.emulator.api_token not in trace.seen + repr(cache._cache)


def test_unknown_names_and_bad_values_are_refused_without_repeating_them(kind):
    with pytest.raises(ValidationError, match="temprature") as unknown:
        kind(account_id=ACCOUNT_ID, api_token=TOKEN, temprature=TOKEN)
    with pytest.raises(ValidationError, match="temperature") as bad:
        kind(account_id=ACCOUNT_ID, api_token=TOKEN, temperature=9)

    assert TOKEN not in str(unknown.value) + str(bad.value)


# --- it is the same model only if it answers the same


CHANGES = {
    "model": "@cf/meta/llama-3.1-8b-instruct",
    "max_tokens": 9,
    "temperature": 1.5,
    "top_p": 0.5,
    "top_k": 2,
    "seed": 8,
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "lora": "mine",
    "stop": ("other",),
    "gateway": "g",
    "base_url": "https://example.com/client/v4",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cache_tells_models_apart_that_answer_differently(llm, kind, name):
    settings = {field: getattr(llm, field) for field in (*CHANGES, "account_id", "api_token")}
    changed = llm.model_copy()
    setattr(changed, name, CHANGES[name])
    keys = {
        key(llm),
        key(kind(**settings | {name: CHANGES[name]}, timeout=llm.timeout)),
        key(llm.model_copy(update={name: CHANGES[name]})),
        key(changed),
    }

    assert len(keys) == 2
    assert not any(TOKEN in text for text in keys)


def key(llm) -> str:
    return llm._get_llm_string() if isinstance(llm, ChatCloudflareLlama) else json.dumps(llm._serialized)


def test_an_answer_from_the_cache_is_that_of_the_same_model(native_stage, caller):
    cache = InMemoryCache()
    llm = native_stage.model("first", "second", "third", cache=cache)
    warmer = llm.model_copy(update={"temperature": 2.0})

    answers = [caller.invoke(model, "hi").content for model in (llm, llm, warmer, warmer)]

    assert answers == ["first", "first", "second", "second"]
    assert caller.invoke(llm, "hi", temperature=3.0).content == "third"


def test_text_models_are_cached_apart_too(native_stage, caller):
    cache = InMemoryCache()
    llm = native_stage.model("first", "second", "third", kind=CloudflareLlamaLLM, cache=cache)
    raw = llm.model_copy(update={"raw": True})

    assert [caller.invoke(model, "hi") for model in (llm, llm, raw, raw)] == ["first", "first", "second", "second"]
    assert [caller.invoke(llm, "hi", temperature=2.0) for _ in range(2)] == ["third"] * 2
    assert caller.invoke(llm, "hi", raw=True) == "second"


def test_fields_can_be_configured(native_stage, caller):
    llm = native_stage.model("Yes.", "Yes.").configurable_fields(
        session_id=ConfigurableField(id="session"), temperature=ConfigurableField(id="warmth")
    )

    caller.invoke(llm, "hi", {"configurable": {"session": "s1", "warmth": 1.5}})

    assert native_stage.emulator.requests[-1].headers["x-session-affinity"] == "s1"
    assert native_stage.asked["temperature"] == 1.5


def test_a_rate_limiter_is_asked(native_stage, caller):
    class Limiter(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking=True):
            Limiter.asked += 1
            return True

        async def aacquire(self, *, blocking=True):
            return self.acquire()

    llm = native_stage.model("Yes.", "Yes.", rate_limiter=Limiter(requests_per_second=1))

    caller.invoke(llm, "hi")
    caller.stream(llm, "hi")

    assert Limiter.asked == 2


# --- how it is traced


def test_traces_name_the_model_that_is_asked(llm, kind):
    assert llm._get_ls_params() == {
        "ls_provider": "cloudflare-workers-ai",
        "ls_model_name": llm.model,
        "ls_model_type": "chat" if kind is ChatCloudflareLlama else "llm",
        "ls_temperature": 0.5,
        "ls_max_tokens": 2048,
        "ls_stop": ["end"],
    }
    assert (
        llm._get_ls_params(stop=["x"], model="other", max_tokens=1).items()
        >= {
            "ls_stop": ["x"],
            "ls_model_name": "other",
            "ls_max_tokens": 1,
        }.items()
    )
    assert llm.metadata["lc_versions"].items() >= {"cf-llama": __version__}.items()


def test_its_parameters_are_plain_and_whole(llm):
    parameters = llm.asdict()

    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters["_type"].startswith("cloudflare-workers-ai")
    assert (parameters["seed"], parameters["temperature"], parameters["stop"]) == (7, 0.5, ["end"])


# --- how it counts


def test_tokens_are_those_of_the_model(llm):
    assert tokens.is_exact()
    assert llm.get_num_tokens("Hello world") == len(llm.get_token_ids("Hello world")) == 2


def test_an_own_tokenizer_goes_first(kind):
    llm = kind(account_id=ACCOUNT_ID, api_token=TOKEN, custom_get_token_ids=lambda text: list(range(len(text))))

    assert llm.get_num_tokens("Hello") == 5


def test_messages_are_trimmed_to_fit(llm):
    messages = [SystemMessage("be good"), *[HumanMessage("word " * 50), AIMessage("yes")] * 5, HumanMessage("and now?")]

    trimmed = trim_messages(messages, token_counter=llm, max_tokens=150, include_system=True, start_on="human")

    assert trimmed[0] == messages[0]
    assert trimmed[-1] == messages[-1]
    assert 2 < len(trimmed) < len(messages)


# --- how it is had


def test_without_langchain_a_sentence_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in {"langchain_core", "langchain_cf_llama"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "langchain_core", None)

    with pytest.raises(ImportError, match=re.escape("pip install 'cf-llama[langchain]'")):
        importlib.import_module("langchain_cf_llama")
