"""OpenAI's SDK on the route that is made for it."""

from __future__ import annotations

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.strangers.conftest import BICYCLE, MODEL, TOOLS, Bicycle

HI = [{"role": "user", "content": "Hello"}]
PARTS = [{"type": "text", "text": "Hello"}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "bicycle", "schema": Bicycle.model_json_schema()}}


@pytest.fixture
def account(cf_llama_emulator, openai_base_url):
    return {"base_url": openai_base_url, "api_key": cf_llama_emulator.api_token, "max_retries": 0}


@pytest.fixture
def client(account):
    with OpenAI(**account) as client:
        yield client


def test_an_answer(client):
    answer = client.chat.completions.create(model=MODEL, messages=HI)
    assert answer.choices[0].message.content == "You said: Hello"
    assert answer.usage.total_tokens > 0


def test_a_stream(client):
    with client.chat.completions.create(model=MODEL, messages=HI, stream=True) as chunks:
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "You said: Hello"


async def test_a_stream_for_a_task(account):
    async with AsyncOpenAI(**account) as client:
        chunks = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
    assert "".join(texts) == "You said: Hello"


def test_a_whole_loop_with_ordinary_tools(client, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"), "Rain.")
    asked = client.chat.completions.create(model=MODEL, messages=HI, tools=TOOLS).choices[0]
    [call] = asked.message.tool_calls
    assert (asked.finish_reason, call.function.name) == ("tool_calls", "weather")
    assert json.loads(call.function.arguments) == {"city": "Oslo"}

    said = {"role": "assistant", "content": "", "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    answer = client.chat.completions.create(model=MODEL, messages=[*HI, said, result], tools=TOOLS)
    assert answer.choices[0].message.content == "Rain."


def test_tool_calls_in_a_stream(client, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"))
    with client.chat.completions.create(model=MODEL, messages=HI, tools=TOOLS, stream=True) as chunks:
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [call.function.name for call in calls if call.function.name] == ["weather"]
    assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"city": "Oslo"}


def test_an_object_by_its_class(client, cf_llama_emulator):
    cf_llama_emulator.say(json.dumps(BICYCLE))
    answer = client.chat.completions.parse(model=MODEL, messages=HI, response_format=Bicycle)
    assert answer.choices[0].message.parsed == Bicycle(**BICYCLE)


@pytest.mark.parametrize(
    ("why", "asked", "code"),
    [
        ("content must be a string", {"messages": [{"role": "assistant", "content": None}, *HI]}, "5006"),
        (
            "content parts are for other models",
            {"messages": [{"role": "user", "content": PARTS}]},
            "5006",
        ),
        (
            "a JSON schema does not stream",
            {"messages": HI, "stream": True, "response_format": SCHEMA},
            "5023",
        ),
        ("there is no such model", {"messages": HI, "model": "@cf/meta/llama-9"}, "5007"),
    ],
)
def test_what_the_service_refuses_stays_refused(client, why, asked, code):
    with pytest.raises(openai.BadRequestError, match=code):
        client.chat.completions.create(**{"model": MODEL, **asked})


def test_too_long_a_prompt_is_413(client):
    with pytest.raises(openai.APIStatusError, match="5021") as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 40_000}])
    assert caught.value.status_code == 413


def test_there_is_no_list_of_models_here(client):
    with pytest.raises(openai.APIStatusError, match="7001") as caught:
        client.models.list()
    assert caught.value.status_code == 405


def test_responses_are_not_for_this_model(client):
    with pytest.raises(openai.BadRequestError, match="5006"):
        client.responses.create(model=MODEL, input="Hello")


def test_a_wrong_token_and_a_limit_are_its_own_errors(account, client, cf_llama_emulator):
    with OpenAI(**account | {"api_key": "wrong"}) as stranger, pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model=MODEL, messages=HI)
    cf_llama_emulator.faults("rate-limited")
    with pytest.raises(openai.RateLimitError, match="3021"):
        client.chat.completions.create(model=MODEL, messages=HI)
