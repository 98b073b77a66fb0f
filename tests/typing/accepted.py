"""A program of a user's own: every documented way of writing it, which type checkers must take without a plugin."""

from __future__ import annotations

import asyncio
import os
from typing import Any, assert_type

import httpx
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from llama_index.core import Settings as LlamaIndexSettings
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, SecretStr

import cf_llama
from cf_llama import ChatRequest, Gateway, Reply, Settings, Timeouts, Transport
from cf_llama.batch import Batch, BatchOptions
from cf_llama_emulator.testing import Faults, ScriptedEmulator
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM, errors
from llama_index_cf_llama import CloudflareLlama


class Review(BaseModel):
    """What a customer thinks."""

    stars: int


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


ChatCloudflareLlama()
ChatCloudflareLlama(account_id="...", api_token="...")
ChatCloudflareLlama(api_key="...", base_url=os.getenv("X"), model=None, max_retries=None, default_headers=None)
ChatCloudflareLlama(api_token=SecretStr("..."), timeout=30, stop=["x"], gateway="id", temperature=0, seed=7)
ChatCloudflareLlama(timeout=Timeouts(connect=5, stall=None), stop="x", gateway=Gateway(id="mine", cache_ttl=60))
ChatCloudflareLlama(timeout=2.5, http_client=httpx.Client(), http_async_client=httpx.AsyncClient(), streaming=True)
ChatCloudflareLlama(max_tokens=100, top_p=0.9, top_k=5, lora="a", session_id="s", reject_if_busy=True, tags=["t"])
ChatCloudflareLlama(callbacks=None, metadata={"a": 1}, cache=False, disable_streaming="tool_calling", verbose=True)
ChatCloudflareLlama(api_key=lambda: "...", extra_body={"a": 1}, stream_usage=False, include_response_headers=True)
CloudflareLlamaLLM(account_id="...", api_key="...", timeout=30, stop="x", raw=True, cache=True)
CloudflareLlama(account_id="...", api_token="...", timeout=30, stop=["x"], gateway="id", complete_as="prompt")
CloudflareLlama(api_key="...", system_prompt="Be good.", additional_kwargs={"seed": 7}, temperature=None)
CloudflareLlama(api_token=lambda: "...", additional_kwargs=None, extra_body={"a": 1})
Settings(account_id="...", api_key="...", timeout=30, stop="x", gateway="id")

llm = ChatCloudflareLlama()
assert_type(llm.invoke("Hi"), AIMessage)
assert_type(llm.invoke([("human", "Hi")], temperature=0, seed=7, stop=["x"]), AIMessage)
for chunk in llm.stream("Hi", max_tokens=5):
    assert_type(chunk, AIMessageChunk)
answered: AIMessage = llm.bind_tools([weather, Review, {"name": "now"}], tool_choice="any").invoke("Hi")
bound: Runnable[Any, Any] = llm.bind(api_key=lambda: "...", temperature=0)
review: Any = llm.with_structured_output(Review, method="json_schema", include_raw=True, output_retries=2).invoke("Hi")
queued: AIMessage = llm.queued(max_items=100).invoke("Hi")
many: list[Any] = llm.batch_queue(["a", "b"], return_exceptions=True, queue={"max_items": 5})
text: str = CloudflareLlamaLLM().invoke("Once upon a time", raw=True)

index_llm = CloudflareLlama()
LlamaIndexSettings.llm = index_llm
assert_type(index_llm.chat([ChatMessage(content="Hi")], temperature=0), ChatResponse)
for response in index_llm.stream_chat([ChatMessage(content="Hi")]):
    delta: str | None = response.delta
index_llm.complete("Hi", seed=7)
index_llm.predict_and_call([FunctionTool.from_defaults(fn=lambda city: city)], "Hi")
answers = index_llm.batch_queue([[ChatMessage(content="Hi")]])


async def main() -> None:
    """Do the same in tasks."""
    assert_type(await llm.ainvoke("Hi"), AIMessage)
    async for piece in llm.astream("Hi"):
        assert_type(piece, AIMessageChunk)
    async for answer in await index_llm.astream_chat([ChatMessage(content="Hi")]):
        assert_type(answer, ChatResponse)


asyncio.run(main())

transport = Transport(Settings().connection())
assert_type(transport.run(ChatRequest(messages=[{"role": "user", "content": "Hi"}])), Reply)
for part in transport.stream(ChatRequest(prompt="Hi")):
    print(part.text, part.reply)
for outcome in Batch(transport, BatchOptions(max_items=5)).run([ChatRequest(prompt="Hi")]):
    print(outcome.reply, outcome.error)

try:
    llm.invoke("Hi")
except errors.RateLimitError as error:
    print(error.retry_after, error.status, error.code, error.is_retryable)
except cf_llama.WorkersAIError as error:
    print(error.advice)

with ScriptedEmulator() as emulator:
    emulator.say("Hello", emulator.call("weather", city="Oslo"), [Faults("hang"), "never"])
    emulator.faults("capacity, retry-after=0")
    ChatCloudflareLlama(
        base_url=emulator.base_url, account_id=emulator.account_id, api_token=emulator.api_token
    ).invoke("Hi")
    print(emulator.requests[0].body)


def test_mine(cf_llama_emulator: ScriptedEmulator) -> None:
    """Use the fixture of pytest."""
    cf_llama_emulator.say("Hello")
    assert ChatCloudflareLlama().invoke("Hi").text == "Hello"
