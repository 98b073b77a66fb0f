"""Batches are held to budgets: nothing that could exceed one is sent, and nothing stays reserved."""

import asyncio

import pytest

from cf_llama import Budget, BudgetExceededError, ChatRequest, Settings, Transport, budget
from cf_llama.batch import Batch, BatchOptions, Job
from cf_llama.batch.driver import with_references
from cf_llama.batch.payloads import item_body, item_size
from cf_llama.protocol.model import cost

OPTIONS = BatchOptions(max_items=2, first_poll=0.01, longest_poll=0.02)
REQUESTS = [ChatRequest(prompt=f"number {number}", max_tokens=20) for number in range(5)]
ITEMS = with_references(REQUESTS)
WORST = max(cost(item_size(item_body(item, messages=True)), 20) for item in ITEMS)


def batch_under(limit):
    return Batch(Transport(Settings(budget=limit).connection()), OPTIONS)


def sent(emulator):
    return sum(len(seen.body.get("requests", ())) for seen in emulator.requests)


def test_a_batch_that_fits_is_billed(emulator):
    limit = Budget(usd=1)
    outcomes = batch_under(limit).run(REQUESTS)
    assert limit.spent == pytest.approx(sum(outcome.reply.usage.cost for outcome in outcomes))
    assert limit.reserved == 0


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_does_not_fit_is_not_sent(emulator, asynchronous):
    limit = Budget(usd=2.02 * WORST)  # for one batch of two: what the first has cost at the end leaves too little
    one, requests = batch_under(limit), REQUESTS[:4]
    outcomes = asyncio.run(one.arun(requests)) if asynchronous else one.run(requests)
    assert [outcome.reference for outcome in outcomes if outcome.reply] == ["0", "1"]
    assert sent(emulator) == 2
    assert {type(outcome.error) for outcome in outcomes[2:]} == {BudgetExceededError}
    assert limit.spent <= limit.usd
    assert limit.reserved == 0


def test_a_block_holds_batches_too(emulator):
    with budget(usd=WORST / 2) as limit:
        [outcome] = Batch(Transport(Settings().connection()), OPTIONS).run(REQUESTS[:1])
    assert isinstance(outcome.error, BudgetExceededError)
    assert (sent(emulator), limit.spent, limit.reserved) == (0, 0, 0)


def test_whoever_stops_reading_pays_the_worst_case_of_what_was_sent(emulator):
    limit = Budget(usd=1)
    outcomes = batch_under(limit).as_completed(ITEMS)
    next(outcomes)
    outcomes.close()
    assert 0 < limit.spent <= 5 * WORST
    assert limit.reserved == 0


def test_tickets_count_their_worst_case(emulator):
    limit = Budget(usd=1)
    batch_under(limit).submit(ITEMS[:2])
    assert limit.spent == pytest.approx(sum(cost(item_size(item_body(item, messages=True)), 20) for item in ITEMS[:2]))
    assert limit.reserved == 0


def test_a_job_goes_on_when_there_is_money_again(emulator, tmp_path):
    limit = Budget(usd=2.5 * WORST)
    with Job.open(tmp_path / "job.db") as job:
        job.add(ITEMS)
        with pytest.raises(BudgetExceededError):
            job.run(Transport(Settings(budget=limit).connection()), OPTIONS)
        assert limit.reserved == 0
        assert 0 < sent(emulator) < 5
        job.run(Transport(Settings().connection()), OPTIONS)
        assert all("text" in row for row in job.results())
        assert len(list(job.results())) == sent(emulator) == 5
