"""LlamaIndex's model over a Worker's binding: chat, streams, tools, structured prediction, RAG and the batch queue."""

from __future__ import annotations

import pytest
from llama_index.core import Document, PromptTemplate, SummaryIndex
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from cf_llama import CapacityError, InvalidRequestError
from llama_index_cf_llama import CloudflareLlama
from tests.bindings import EmulatorBinding

HI = [ChatMessage(content="Hi")]


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
    return CloudflareLlama(binding=binding, max_retries=0)


async def test_chat_and_completion_answer_and_stream(llm):
    assert (await llm.achat(HI)).message.content == "You said: Hi"
    assert (await llm.acomplete("Hi")).text == "You said: Hi"
    pieces = [response.delta async for response in await llm.astream_chat(HI)]
    assert len([piece for piece in pieces if piece]) > 2
    assert "".join(pieces) == "You said: Hi"


async def test_tools_are_called(llm, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("order_status", order_id="1042"))
    response = await llm.achat_with_tools([FunctionTool.from_defaults(order_status)], "Where is order 1042?")
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("order_status", {"order_id": "1042"})


async def test_an_object_of_a_schema(llm, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("Review", stars=4))
    assert await llm.astructured_predict(Review, PromptTemplate("{text}"), text="4 stars") == Review(stars=4)


async def test_a_query_engine_sends_its_source(llm, cf_llama_emulator):
    cf_llama_emulator.say("27 days.")
    index = SummaryIndex.from_documents([Document(text="Everyone has 27 days of leave.")])
    assert str(await index.as_query_engine(llm=llm).aquery("How many days of leave are there?")) == "27 days."
    assert "Everyone has 27 days" in str(cf_llama_emulator.requests[0].body)


async def test_the_batch_queue_answers(llm):
    answers = await llm.abatch_queue([HI, HI])
    assert [answer.message.content for answer in answers] == ["You said: Hi"] * 2


async def test_errors_have_their_codes(llm, cf_llama_emulator):
    cf_llama_emulator.faults("capacity")
    with pytest.raises(CapacityError) as caught:
        await llm.achat(HI)
    assert caught.value.code == 3040


@pytest.mark.parametrize(
    "call", [lambda llm: llm.chat(HI), lambda llm: list(llm.stream_complete("Hi"))], ids=["whole", "streamed"]
)
def test_synchronous_methods_are_refused(llm, binding, call):
    with pytest.raises(InvalidRequestError, match="asynchronous methods only"):
        call(llm)
    assert binding.runs == []


def test_no_dump_holds_it(llm):
    assert "binding" not in llm.to_json()
    assert "binding" not in repr(llm)
