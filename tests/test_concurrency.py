"""One model of either integration, asked by many at once: threads, tasks and event loops, in turn and together."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.base.llms.types import ChatMessage

from cf_llama.transport.limits import gate
from cf_llama_emulator.server.threaded import serve
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

pytestmark = pytest.mark.usefixtures("both_event_loops")

THREADS = 200


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A machine that is busy for seconds is no service that refuses for ever."""
    monkeypatch.setattr(gate, "LONGEST_WAIT", 60.0)


class LangChain:
    def __init__(self, **settings):
        self.llm = ChatCloudflareLlama(**settings)

    def ask(self, text):
        return self.llm.invoke(text).text

    async def aask(self, text):
        return (await self.llm.ainvoke(text)).text

    def pieces(self, text):
        return (chunk.text for chunk in self.llm.stream(text))

    async def apieces(self, text):
        async for chunk in self.llm.astream(text):
            yield chunk.text


class LlamaIndex:
    def __init__(self, **settings):
        self.llm = CloudflareLlama(**settings)

    def ask(self, text):
        return self.llm.chat([ChatMessage(text)]).message.content

    async def aask(self, text):
        return (await self.llm.achat([ChatMessage(text)])).message.content

    def pieces(self, text):
        return (response.delta or "" for response in self.llm.stream_chat([ChatMessage(text)]))

    async def apieces(self, text):
        async for response in await self.llm.astream_chat([ChatMessage(text)]):
            yield response.delta or ""


@pytest.fixture(scope="module")
def running():
    with serve() as emulator:
        yield emulator


@pytest.fixture(params=[LangChain, LlamaIndex])
def integration(request, running):
    running.requests.clear()
    return request.param(base_url=running.base_url, account_id=running.account_id, api_token=running.api_token)


def page(number):
    """A question of many pieces, unlike all others."""
    return f"page {number}: " + " ".join(f"{number}-{word}" for word in range(10))


def said(number):
    return f"You said: {page(number)}"


def test_one_model_serves_200_threads(integration, running):
    ready = threading.Barrier(THREADS)

    def ask(number):
        ready.wait()
        return integration.ask(page(number)) if number % 2 else "".join(integration.pieces(page(number)))

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(ask, range(THREADS)))
    assert answers == [said(number) for number in range(THREADS)]
    assert sorted(seen.body["messages"][-1]["content"] for seen in running.requests) == sorted(
        map(page, range(THREADS))
    )


async def _both(integration, numbers):
    whole = asyncio.gather(*(integration.aask(page(number)) for number in numbers))
    streamed = asyncio.gather(*(_joined(integration, number) for number in numbers))
    return await whole, await streamed


async def _joined(integration, number):
    return "".join([piece async for piece in integration.apieces(page(number))])


def test_one_model_serves_event_loops_one_after_the_other(integration):
    for turn in range(3):
        numbers = range(turn * 10, turn * 10 + 10)
        expected = [said(number) for number in numbers]
        assert asyncio.run(_both(integration, numbers)) == (expected, expected)


def test_one_model_serves_event_loops_at_once(integration):
    ready = threading.Barrier(4)

    def live(loop):
        ready.wait()
        return asyncio.run(_both(integration, range(loop * 25, loop * 25 + 25)))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(live, range(4)))
    for loop, answer in enumerate(answers):
        expected = [said(number) for number in range(loop * 25, loop * 25 + 25)]
        assert answer == (expected, expected)


def test_two_streams_read_in_turn_stay_apart(integration):
    first, second = ([], [])
    for one, other in zip(integration.pieces(page(1)), integration.pieces(page(2)), strict=True):
        first.append(one)
        second.append(other)
    assert len(first) > 2
    assert ("".join(first), "".join(second)) == (said(1), said(2))


async def test_two_asynchronous_streams_read_in_turn_stay_apart(integration):
    first, second = ([], [])
    others = integration.apieces(page(2))
    async for one in integration.apieces(page(1)):
        first.append(one)
        second.append(await anext(others))
    second += [piece async for piece in others]
    assert len(first) > 2
    assert ("".join(first), "".join(second)) == (said(1), said(2))
