"""What calls may cost: never exceeded, and nothing left reserved however they end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from cf_llama import Budget, BudgetExceededError, ChatRequest, InvalidRequestError, Settings, Transport, budget
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import End, Text

HI = ChatRequest(prompt="Hi", max_tokens=100)
COST = 20 * 0.293e-6 + 50 * 2.253e-6
WORST = 300 * 0.293e-6 + 100 * 2.253e-6  # of a body of less than 300 bytes


class Priced:
    """An engine whose every answer has the same counts."""

    name = "priced"

    async def answer(self, _):
        yield Text("Hello")
        yield End("stop", 20, 50)


@pytest.fixture
def emulator():
    faults = {"text": ""}
    with serve(Priced(), port=0, faults=lambda _: faults["text"]) as running:
        running.goes_wrong = lambda text: faults.update(text=text)
        yield running


def transport(emulator, **settings):
    where = {"base_url": emulator.base_url, "account_id": emulator.account_id, "api_token": emulator.api_token}
    return Transport(Settings(**where, **settings).connection())


@pytest.mark.parametrize("stream", [False, True])
def test_what_would_exceed_a_budget_is_not_sent(emulator, stream):
    limit = Budget(usd=3 * COST + WORST / 2)
    one = transport(emulator, budget=limit)
    ask = (lambda: list(one.stream(HI))) if stream else (lambda: one.run(HI))
    for _ in range(3):
        ask()
    with pytest.raises(BudgetExceededError, match=r"the budget of \$.* so the request was not sent"):
        ask()
    assert len(emulator.requests) == 3
    assert limit.spent == pytest.approx(3 * COST)
    assert (limit.reserved, limit.left) == (0, pytest.approx(WORST / 2))


def test_many_at_once_never_exceed_it(emulator):
    limit = Budget(usd=10 * WORST)
    one = transport(emulator, budget=limit)

    async def all_of_them():
        return await asyncio.gather(*(one.arun(HI) for _ in range(200)), return_exceptions=True)

    ended = asyncio.run(all_of_them())

    def ask(_):
        try:
            return one.run(HI)
        except BudgetExceededError as error:
            return error

    with ThreadPoolExecutor(16) as threads:
        ended += threads.map(ask, range(40))
    answered = [each for each in ended if not isinstance(each, BaseException)]
    assert answered
    assert all(isinstance(each, BudgetExceededError) for each in ended if isinstance(each, BaseException))
    assert limit.spent == pytest.approx(len(answered) * COST)
    assert limit.spent <= limit.usd
    assert limit.reserved == 0


def test_nothing_stays_reserved_after_a_failure_or_a_cancellation(emulator):
    limit = Budget(usd=1)
    one = transport(emulator, budget=limit, max_retries=0)
    emulator.goes_wrong("error=5006")
    with pytest.raises(InvalidRequestError):
        one.run(HI)
    assert (limit.spent, limit.reserved) == (0, 0)
    emulator.goes_wrong("latency=5")

    async def cancelled():
        task = asyncio.create_task(one.arun(HI))
        await asyncio.sleep(0.3)
        assert limit.reserved > 0
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    assert limit.reserved == 0
    assert 0 < limit.spent <= WORST  # the service may have billed it


def test_a_block_holds_all_that_is_called_in_it(emulator):
    one = transport(emulator)
    with budget(usd=1.5 * WORST) as limit:
        one.run(HI)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(copy_context().run, one.run, HI).result()
        spent = limit.spent
        assert spent == pytest.approx(2 * COST)
        limit.settle(0.0, WORST)
        with pytest.raises(BudgetExceededError):
            one.run(HI)
    one.run(HI)
    assert limit.spent == spent + WORST


def test_a_file_keeps_what_was_spent(emulator, tmp_path):
    path = tmp_path / "spent.db"
    transport(emulator, budget=Budget(usd=1, per="day", path=path)).run(HI)
    again = Budget(neurons=1000, per="day", path=path)
    assert again.spent == pytest.approx(COST)
    assert again.usd == pytest.approx(0.011)
    transport(emulator, budget=again).run(HI)
    assert Budget(usd=1, per="day", path=path).spent == pytest.approx(2 * COST)


@pytest.mark.parametrize("options", [{}, {"usd": 0}, {"usd": 1, "neurons": 1}, {"usd": 1, "per": "month"}])
def test_what_is_no_budget_is_refused(options):
    with pytest.raises(InvalidRequestError):
        Budget(**options)
