"""Calls at a service that refuses: all are answered, in the order of asking, by threads and tasks alike."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

import cf_llama
from cf_llama import (
    ChatRequest,
    QuotaExceededError,
    RateLimit,
    RateLimitError,
    RequestTimeoutError,
    Settings,
    Transport,
)
from cf_llama.transport.limits import gate
from cf_llama.transport.limits.place import Place
from cf_llama.transport.limits.rate import RatePacer
from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.server import serve

pytestmark = pytest.mark.usefixtures("both_event_loops")

HI = ChatRequest(prompt="Hi")


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The windows of these tests are longer than what other tests wait for."""
    monkeypatch.setattr(gate, "LONGEST_WAIT", 60)


@pytest.fixture
def emulator():
    """An emulator that can be told what goes wrong with all further requests."""
    faults = {"text": ""}
    with serve(RuleEngine(), port=0, faults=lambda _: faults["text"]) as running:
        running.goes_wrong = lambda text: faults.update(text=text)
        yield running


def transport(emulator, **settings):
    where = {"base_url": emulator.base_url, "account_id": emulator.account_id, "api_token": emulator.api_token}
    return Transport(Settings(**where, **settings).connection())


def by_threads(one, calls):
    with ThreadPoolExecutor(32) as threads:
        return list(threads.map(one.run, [HI] * calls))


def by_tasks(one, calls):
    async def all_of_them():
        return await asyncio.gather(*(one.arun(HI) for _ in range(calls)))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(("call", "limit"), [(by_threads, None), (by_tasks, None), (by_tasks, RateLimit(20, 0.5))])
@pytest.mark.parametrize("counting", ["sliding", "fixed", "bucket"])
def test_no_call_is_lost_to_a_rate_limit(emulator, call, counting, limit):
    emulator.goes_wrong(f"rate-limit=20@500ms,{counting}")
    replies = call(transport(emulator, rate_limit=limit), 60)
    assert [reply.text for reply in replies] == ["You said: Hi"] * 60
    assert any(reply.metadata().get("waited_seconds") for reply in replies)


def test_the_first_request_counts_from_when_it_is_written():
    now = [0.0]
    line, place = gate.Gate(RatePacer(), is_quiet=True, clock=lambda: now[0]), Place()
    assert line.delay(place, has_waited=False) == 0
    now[0] = 5.5  # so long it took to make the client and its connection
    line.written(place)
    now[0] = 5.51
    line.end(place, RateLimitError("3021"), answered=True)
    assert line.limits().next_place == pytest.approx(1.0)  # and not when a second since zero is over


def test_calls_are_let_through_in_the_order_of_asking(emulator):
    emulator.goes_wrong("rate-limit=5@500ms,bucket")
    one, ended = transport(emulator, rate_limit=RateLimit(5, 0.5)), []

    async def ask(number):
        await one.arun(ChatRequest(prompt=f"number {number}"))
        ended.append(number)

    async def all_of_them():
        await asyncio.gather(*map(ask, range(12)))

    asyncio.run(all_of_them())
    assert ended[5:] == sorted(ended[5:])


def test_a_place_that_is_given_up_goes_to_the_next(emulator):
    one = transport(emulator, rate_limit=RateLimit(1, 0.5))

    async def all_of_them():
        await one.arun(HI)
        waiting = [asyncio.create_task(one.arun(HI)) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        begun = time.monotonic()
        await waiting[1]
        assert one.limits().waiting == 1
        await waiting[2]
        return time.monotonic() - begun

    assert asyncio.run(all_of_them()) < 1.4
    limits = one.limits()
    assert (limits.waiting, limits.under_way, limits.requests, limits.window) == (0, 0, 1, 0.5)


@pytest.mark.parametrize("call", [by_threads, by_tasks])
def test_a_wait_that_is_too_long_says_so(emulator, call):
    emulator.goes_wrong("rate-limit=0")
    one = transport(emulator, rate_limit_wait=0.2)
    with pytest.raises(RateLimitError, match=r"no place under the rate limit.* after \d.* calls? wait") as error:
        call(one, 1)
    assert error.value.is_retryable
    one = transport(emulator, timeout={"total": 0.3})
    with pytest.raises(RequestTimeoutError, match="the time for the whole call is over"):
        call(one, 1)


def test_a_queue_that_moves_is_waited_for(emulator, monkeypatch):
    monkeypatch.setattr(gate, "LONGEST_WAIT", 2.5)
    emulator.goes_wrong("rate-limit=5@500ms")
    assert len(by_tasks(transport(emulator, rate_limit=RateLimit(5, 0.5)), 35)) == 35  # 3 seconds


def test_a_blocked_event_loop_holds_up_no_other(emulator, monkeypatch):
    monkeypatch.setattr(gate, "_DEPUTY_DELAY", 0.2)
    one, blocked = transport(emulator, rate_limit=RateLimit(1, 0.5)), threading.Event()

    async def blocks():
        first = asyncio.create_task(one.arun(HI))
        await asyncio.sleep(0.1)
        blocked.wait(30)  # a program that should not, and does
        await first

    one.run(HI)
    with ThreadPoolExecutor(1) as thread:
        blocking = thread.submit(asyncio.run, blocks())
        while not one.limits().waiting:
            time.sleep(0.01)
        assert one.run(HI).text == "You said: Hi"
        blocked.set()
        blocking.result()


def test_what_must_not_be_repeated_is_refused_at_once(emulator):
    emulator.goes_wrong("rate-limited")
    with pytest.raises(RateLimitError, match="rate"):
        transport(emulator, max_retries=0).run(HI)
    assert len(emulator.requests) == 1
    one = transport(emulator, rate_limit=False, max_retries=1)
    with pytest.raises(RateLimitError):
        one.run(HI)
    assert len(emulator.requests) == 3
    assert one.limits() is None


@pytest.mark.parametrize("call", [by_threads, by_tasks])
def test_no_call_is_lost_to_a_lack_of_capacity(emulator, call):
    emulator.goes_wrong("capacity-above=4, latency=0.02")
    one = transport(emulator)
    assert len(call(one, 80)) == 80
    assert 1 <= one.limits().capacity <= 12
    assert one.limits().under_way == 0


def test_a_call_alone_is_refused_for_lack_of_capacity_as_ever(emulator):
    emulator.goes_wrong("capacity")
    with pytest.raises(cf_llama.CapacityError):
        transport(emulator, max_retries=1).run(HI)
    assert len(emulator.requests) == 2


@pytest.mark.parametrize("call", [by_threads, by_tasks])
def test_a_spent_day_fails_without_a_request_until_midnight(emulator, call):
    emulator.goes_wrong("quota-spent")
    one = transport(emulator)
    for _ in range(3):
        with pytest.raises(QuotaExceededError) as error:
            call(one, 1)
    assert len(emulator.requests) == 1
    midnight = datetime.fromtimestamp(one.limits().quota_until, UTC)
    assert midnight.strftime("%H:%M") == "00:00"
    assert f"{midnight:%Y-%m-%d %H:%M} UTC" in str(error.value)
    emulator.goes_wrong("")
    cf_llama.forget_limits()
    assert len(call(one, 1)) == 1


def test_calls_of_threads_and_loops_share_what_is_known(emulator):
    emulator.goes_wrong("rate-limit=10@1s")
    first, second = transport(emulator), transport(emulator, max_tokens=9)
    by_threads(first, 15)
    assert first.limits().requests == second.limits().requests == 10
