"""The service's own SDK."""

from __future__ import annotations

import pytest
from cloudflare import AsyncCloudflare, AuthenticationError, BadRequestError, Cloudflare, RateLimitError

from tests.strangers.conftest import MODEL, TOOLS

HI = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def account(cf_llama_emulator):
    return {"base_url": cf_llama_emulator.base_url, "api_token": cf_llama_emulator.api_token, "max_retries": 0}


@pytest.fixture
def client(account):
    with Cloudflare(**account) as client:
        yield client


def test_an_answer(client, cf_llama_emulator, shape):
    answer = client.ai.run(MODEL, account_id=cf_llama_emulator.account_id, messages=HI)
    assert answer["response"] == "You said: Hello"
    assert answer["usage"]["total_tokens"] > 0


async def test_an_answer_for_a_task(account, cf_llama_emulator, shape):
    async with AsyncCloudflare(**account) as client:
        answer = await client.ai.run(MODEL, account_id=cf_llama_emulator.account_id, messages=HI)
    assert answer["response"] == "You said: Hello"


def test_ordinary_tools(client, cf_llama_emulator, shape):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"))
    answer = client.ai.run(MODEL, account_id=cf_llama_emulator.account_id, messages=HI, tools=TOOLS)
    [call] = answer["tool_calls"]
    assert call.get("function", call)["name"] == "weather"
    assert cf_llama_emulator.requests[0].body["tools"] == TOOLS


def test_the_list_of_models_ends(client, cf_llama_emulator):
    models = list(client.ai.models.list(account_id=cf_llama_emulator.account_id, search=MODEL))
    assert [model["name"] for model in models] == [MODEL]


async def test_the_list_of_models_ends_for_a_task(account, cf_llama_emulator):
    async with AsyncCloudflare(**account) as client:
        found = client.ai.models.list(account_id=cf_llama_emulator.account_id, search=MODEL)
        assert [model["name"] async for model in found] == [MODEL]


def test_a_wrong_token_is_its_own_error(account, cf_llama_emulator):
    with Cloudflare(**account | {"api_token": "wrong"}) as client, pytest.raises(AuthenticationError, match="10000"):
        client.ai.run(MODEL, account_id=cf_llama_emulator.account_id, messages=HI)


@pytest.mark.parametrize(
    ("fault", "error", "code"), [("rate-limited", RateLimitError, "3021"), ("error=5007", BadRequestError, "5007")]
)
def test_a_refusal_is_its_own_error(client, cf_llama_emulator, fault, error, code):
    cf_llama_emulator.faults(fault)
    with pytest.raises(error, match=code):
        client.ai.run(MODEL, account_id=cf_llama_emulator.account_id, messages=HI)
