"""Calls without asyncio's event loop, as under trio, which is simulated here by driving coroutines by hand."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import httpx
import pytest

from cf_llama import ChatRequest, InvalidRequestError, RateLimit, Transport

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])


def by_hand(coroutine):
    """Run a coroutine that never suspends."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def client(*statuses):
    """A client of the user's own, whose requests are answered with these."""
    answers = iter([httpx.Response(status, json={"response": "Hello"}) for status in statuses])
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: next(answers)))


@pytest.mark.parametrize("start", [lambda it: it.arun(HI), lambda it: anext(it.astream(HI))], ids=["run", "stream"])
def test_the_shared_clients_say_that_they_need_asyncio_and_what_to_give_instead(service, transport, start):
    coroutine = start(transport())
    with pytest.raises(InvalidRequestError, match=r"http_async_client=httpx.AsyncClient\(\)"):
        coroutine.send(None)
    assert not service.seen


def test_pauses_between_attempts_are_trios(settings, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setitem(sys.modules, "trio", SimpleNamespace(sleep=sleep))
    assert by_hand(Transport(settings().connection(), None, client(503, 200)).arun(HI)).text == "Hello"
    assert [0 <= seconds <= 0.5 for seconds in slept] == [True]


def test_a_wait_for_the_rate_limit_says_how_to_do_without(settings):
    transport = Transport(settings(rate_limit=RateLimit(1)).connection(), None, client(200))
    by_hand(transport.arun(HI))
    with pytest.raises(InvalidRequestError, match="rate_limit=False"):
        transport.arun(HI).send(None)
