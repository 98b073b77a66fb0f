"""The service's own package for LangChain."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain_cloudflare import ChatCloudflareWorkersAI
from langchain_core.tools import tool

from tests.strangers.conftest import BICYCLE, MODEL, Bicycle


@tool
def weather(city: str, days: int | None = None) -> str:
    """Tell the weather."""
    return f"rain in {city}"


@pytest.fixture
def llm(cf_llama_emulator, shape):
    return ChatCloudflareWorkersAI(
        model=MODEL,
        cloudflare_account_id=cf_llama_emulator.account_id,
        cloudflare_api_token=cf_llama_emulator.api_token,
        cloudflare_api_base=cf_llama_emulator.base_url,
    )


def test_an_answer(llm):
    assert llm.invoke("Hello").content == "You said: Hello"


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("native", marks=pytest.mark.xfail(reason="its synchronous stream reads only `choices`")),
        "hybrid",
    ],
    indirect=True,
)
def test_a_stream(llm):
    assert "".join(chunk.content for chunk in llm.stream("Hello")) == "You said: Hello"


async def test_a_stream_for_a_task(llm):
    assert "".join([chunk.content async for chunk in llm.astream("Hello")]) == "You said: Hello"


def test_an_agent_with_an_ordinary_tool(llm, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("weather", city="Oslo"), "Rain.")
    messages = create_agent(llm, [weather]).invoke({"messages": "How is the weather in Oslo?"})["messages"]
    assert [message.content for message in messages[-2:]] == ["rain in Oslo", "Rain."]


def test_an_object_by_function_calling(llm, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("Bicycle", **BICYCLE))
    chain = llm.with_structured_output(Bicycle, method="function_calling")
    assert chain.invoke("A red bicycle with 7 gears, of Tom") == Bicycle(**BICYCLE)
