"""LangChain's models over a Worker's binding: chains, agents, structured output and the batch queue."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain_core.load import dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from pydantic import BaseModel

from cf_llama import InvalidRequestError
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM, errors
from tests.bindings import EmulatorBinding


class Review(BaseModel):
    """What a customer thinks."""

    stars: int


def order_status(order_id: str) -> str:
    """Look up where an order is."""
    return f"order {order_id} left Rotterdam"


@pytest.fixture
def binding(cf_llama_emulator, monkeypatch):
    """The binding alone leads to the emulator."""
    for name in ("CLOUDFLARE_BASE_URL", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN"):
        monkeypatch.delenv(name)
    return EmulatorBinding(cf_llama_emulator)


@pytest.fixture
def llm(binding):
    return ChatCloudflareLlama(binding=binding, max_retries=0)


async def test_a_chain_answers_and_streams(llm):
    chain = PromptTemplate.from_template("Hi {name}") | llm | StrOutputParser()
    assert await chain.ainvoke({"name": "Ada"}) == "You said: Hi Ada"
    pieces = [text async for text in chain.astream({"name": "Ada"}) if text]
    assert len(pieces) > 2
    assert "".join(pieces) == "You said: Hi Ada"


async def test_the_text_model_answers(binding):
    assert "Hi" in await CloudflareLlamaLLM(binding=binding).ainvoke("Hi")


async def test_an_agent_calls_its_tool(llm, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("order_status", order_id="1042"), "It has left.")
    answer = await create_agent(llm, [order_status]).ainvoke({"messages": "Where is order 1042?"})
    assert answer["messages"][-1].text == "It has left."
    assert answer["messages"][-2].text == "order 1042 left Rotterdam"


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
async def test_an_object_of_a_schema(llm, cf_llama_emulator, method):
    said = cf_llama_emulator.call("Review", stars=4) if method == "function_calling" else '{"stars": 4}'
    cf_llama_emulator.say(said)
    assert await llm.with_structured_output(Review, method=method).ainvoke("4 stars") == Review(stars=4)


async def test_errors_are_langchains_too(llm, cf_llama_emulator):
    cf_llama_emulator.faults("error=5007")
    with pytest.raises(errors.NotFoundError) as caught:
        await llm.ainvoke("Hi")
    assert caught.value.code == 5007


async def test_the_batch_queue_answers(llm):
    answers = await llm.abatch_queue(["Hi", "Hello"])
    assert [answer.text for answer in answers] == ["You said: Hi", "You said: Hello"]


async def test_a_call_can_bring_its_binding(binding):
    assert (await ChatCloudflareLlama().ainvoke("Hi", binding=binding)).text == "You said: Hi"


@pytest.mark.parametrize(
    "call", [lambda llm: llm.invoke("Hi"), lambda llm: list(llm.stream("Hi"))], ids=["whole", "streamed"]
)
def test_synchronous_methods_are_refused(llm, binding, call):
    with pytest.raises(InvalidRequestError, match="asynchronous methods only"):
        call(llm)
    assert binding.runs == []


def test_no_dump_holds_it(llm):
    assert "binding" not in dumps(llm).lower()
    assert "binding" not in repr(llm)
