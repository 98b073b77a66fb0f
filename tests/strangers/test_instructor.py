"""instructor on OpenAI's client."""

from __future__ import annotations

import json

import instructor
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.strangers.conftest import BICYCLE, MODEL, Bicycle

ASKED = {
    "model": MODEL,
    "response_model": Bicycle,
    "max_retries": 0,
    "messages": [{"role": "user", "content": "A bicycle"}],
}


@pytest.fixture
def account(cf_llama_emulator, openai_base_url):
    return {"base_url": openai_base_url, "api_key": cf_llama_emulator.api_token, "max_retries": 0}


def test_an_object_by_a_tool(account, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("Bicycle", **BICYCLE))
    with OpenAI(**account) as client:
        found = instructor.from_openai(client).chat.completions.create(**ASKED)
    assert found.model_dump() == BICYCLE


async def test_an_object_by_a_tool_for_a_task(account, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("Bicycle", **BICYCLE))
    async with AsyncOpenAI(**account) as client:
        found = await instructor.from_openai(client).chat.completions.create(**ASKED)
    assert found.model_dump() == BICYCLE


@pytest.mark.parametrize("mode", [instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA])
def test_an_object_in_json_mode(account, cf_llama_emulator, mode):
    cf_llama_emulator.say(json.dumps(BICYCLE))
    with OpenAI(**account) as client:
        found = instructor.from_openai(client, mode=mode).chat.completions.create(**ASKED)
    assert found.model_dump() == BICYCLE
