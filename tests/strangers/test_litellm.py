"""litellm, on the route that its provider `cloudflare` and its OpenAI client use."""

from __future__ import annotations

import json

import litellm
import pytest

from tests.strangers.conftest import MODEL, TOOLS

pytestmark = pytest.mark.filterwarnings("ignore:.* using the `ReadOnly` qualifier")  # of its own types

HI = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def asked(cf_llama_emulator, openai_base_url):
    return {
        "model": f"openai/{MODEL}",
        "api_base": openai_base_url,
        "api_key": cf_llama_emulator.api_token,
        "messages": HI,
        "num_retries": 0,
        "max_retries": 0,
    }


def test_an_answer(asked):
    answer = litellm.completion(**asked)
    assert answer.choices[0].message.content == "You said: Hello"
    assert answer.usage.total_tokens > 0


async def test_an_answer_for_a_task(asked):
    answer = await litellm.acompletion(**asked)
    assert answer.choices[0].message.content == "You said: Hello"


def test_a_stream(asked):
    texts = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**asked, stream=True)]
    assert "".join(texts) == "You said: Hello"


def test_ordinary_tools(asked, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"))
    [call] = litellm.completion(**asked, tools=TOOLS).choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})


def test_its_errors_are_its_own(asked, cf_llama_emulator):
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(**asked | {"api_key": "wrong"})
    cf_llama_emulator.faults("rate-limited")
    with pytest.raises(litellm.RateLimitError):
        litellm.completion(**asked)
