"""Both integrations, through a gateway in a header and on its own host, get the same answer however it is written."""

import pytest

from cf_llama import Gateway
from cf_llama_emulator.testing import ScriptedEmulator

pytest.importorskip("langchain_core", reason="the core is being tested alone")
pytest.importorskip("llama_index.core", reason="the core is being tested alone")

from llama_index.core.llms import ChatMessage

from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

SAID = "It has 42 wheels and costs 3e50."
ODD = [
    "text-at-end",
    "increments",
    "increments, no-usage=closing",
    "absent=response",
    "absent=choices",
    "absent=tool_calls",
    "split=1",
    "text-at-end, no-usage, framing=crlf, gzip",
    "text-at-end, finish-reason=absent, usage-twice=zeros",
    "recorded, absent=choices",
    "json-answer, absent=response",
]


@pytest.fixture(scope="module")
def emulator():
    with ScriptedEmulator() as running:
        yield running


def chat(model):
    return model.invoke("Hi").text


def stream(model):
    return "".join(chunk.text for chunk in model.stream("Hi"))


def llama_index_chat(model):
    return model.chat([ChatMessage(content="Hi")]).message.content


def llama_index_stream(model):
    return "".join(chunk.delta for chunk in model.stream_chat([ChatMessage(content="Hi")]))


WAYS = [
    (ChatCloudflareLlama, chat),
    (ChatCloudflareLlama, stream),
    (CloudflareLlama, llama_index_chat),
    (CloudflareLlama, llama_index_stream),
]


@pytest.mark.parametrize("legacy_host", [False, True])
@pytest.mark.parametrize("shape", ["native", "hybrid"])
@pytest.mark.parametrize("faults", ODD)
def test_the_answer_is_the_same(emulator, faults, shape, legacy_host):
    account = {name: getattr(emulator, name) for name in ("base_url", "account_id", "api_token")}
    for integration, ask in WAYS:
        emulator.cleared().say(SAID)
        emulator.always(f"shape={shape}, {faults}")
        model = integration(**account, max_retries=0, gateway=Gateway(id="mine", legacy_host=legacy_host))
        assert ask(model) == SAID, ask
        [seen] = emulator.requests
        assert ("/mine/workers-ai/" in seen.path, "cf-aig-gateway-id" in seen.headers) == (
            legacy_host,
            not legacy_host,
        )
        assert seen.body["messages"] == [{"role": "user", "content": "Hi"}]
