"""pydantic-ai with its OpenAI model."""

from __future__ import annotations

import pytest
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.strangers.conftest import BICYCLE, MODEL, Bicycle


@pytest.fixture
def model(cf_llama_emulator, openai_base_url):
    return OpenAIChatModel(
        MODEL, provider=OpenAIProvider(base_url=openai_base_url, api_key=cf_llama_emulator.api_token)
    )


async def test_an_answer(model):
    assert (await Agent(model).run("Hello")).output == "You said: Hello"


async def test_a_stream(model):
    async with Agent(model).run_stream("Hello") as result:
        texts = [text async for text in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(texts) == "You said: Hello"


async def test_an_object_by_its_output_tool(model, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("final_result", **BICYCLE))
    assert (await Agent(model, output_type=Bicycle).run("A red bicycle")).output == Bicycle(**BICYCLE)


def agent_with_a_tool(model):
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str, days: int | None = None) -> str:
        return f"rain in {city}"

    return agent


async def test_a_loop_with_an_ordinary_tool(model, cf_llama_emulator):
    """It writes `content: null` into the history, which some accounts are reported to accept."""
    cf_llama_emulator.always("takes-content")
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"), "Rain.")
    assert (await agent_with_a_tool(model).run("How is the weather in Oslo?")).output == "Rain."


async def test_content_that_is_null_stays_refused(model, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"))
    with pytest.raises(ModelHTTPError, match="5006"):
        await agent_with_a_tool(model).run("How is the weather in Oslo?")
