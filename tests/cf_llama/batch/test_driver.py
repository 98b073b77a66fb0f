"""Batches through an emulator's queue, over real sockets, sync and async."""

from __future__ import annotations

import asyncio

import pytest

from cf_llama import AuthenticationError, ChatRequest, InvalidRequestError, RequestTimeoutError, Settings, Transport
from cf_llama.batch import Batch, BatchOptions, Item, Ticket, with_references
from cf_llama_emulator.server import serve

QUICK = {"first_poll": 0.02, "longest_poll": 0.1}
PAGES = [ChatRequest(messages=[{"role": "user", "content": f"page {n}"}]) for n in range(8)]
SAID = [f"You said: page {n}" for n in range(8)]


@pytest.fixture(scope="module")
def running():
    with serve() as emulator:
        yield emulator


@pytest.fixture
def batch(running):
    running.requests.clear()

    def make(faults="", api_token=None, **options):
        settings = Settings(
            base_url=running.base_url,
            account_id=running.account_id,
            api_token=api_token or running.api_token,
            max_retries=0,
            default_headers={"x-emulator-faults": faults},
        )
        return Batch(Transport(settings.connection()), BatchOptions(**QUICK | options))

    return make


@pytest.fixture(params=["sync", "async"])
def run(request):
    def outcomes(batch, *arguments):
        return batch.run(*arguments) if request.param == "sync" else asyncio.run(batch.arun(*arguments))

    return outcomes


@pytest.fixture(params=["sync", "async"])
def two_steps(request):
    """Submit, and collect from the tickets with another object, as another process would."""

    async def asynchronous(first, second, items):
        tickets = await first.asubmit(items)
        return tickets, [outcome for ticket in tickets async for outcome in second.acollect(ticket)]

    def both(first, second, items):
        if request.param == "async":
            return asyncio.run(asynchronous(first, second, items))
        tickets = first.submit(items)
        return tickets, [outcome for ticket in tickets for outcome in second.collect(ticket)]

    return both


def texts(outcomes):
    return [outcome.reply.text if outcome.reply else outcome.error for outcome in outcomes]


@pytest.mark.parametrize(
    "faults",
    [
        "",
        "queue-accepted, queue-shuffled",
        "queue-form=2, queue-shuffled",
        "queue-form=3",
        "queue-nested",
        "queue-messages, queue-keyed=reference, queue-shuffled",
        "queue-keyed=number, queue-shuffled",
        "queue-keyed=none",
        "queue-delay=0.2",
    ],
)
def test_all_are_answered_in_order(run, batch, faults):
    one = batch(faults, max_items=3)
    assert texts(run(one, PAGES)) == SAID
    assert one.usage.completion_tokens > 0


def test_what_is_refused_once_is_not_tried_again(run, batch, running):
    one = batch(max_items=4)
    run(one, PAGES)
    run(one, PAGES)
    submissions = [seen.body["requests"] for seen in running.requests if "requests" in seen.body]
    assert ["messages" in items[0] for items in submissions] == [True, False, False, False, False]
    polls = [seen.body["request_id"] for seen in running.requests if "request_id" in seen.body]
    assert 4 <= len(polls) <= 12
    references = [item["external_reference"] for item in submissions[1] + submissions[2]]
    assert references == [str(n) for n in range(8)]


def test_each_failure_is_reported_by_itself(run, batch):
    outcomes = run(batch("queue-failed=0.5, queue-missing=0.3"), PAGES * 4)
    failed = [outcome.error for outcome in outcomes if outcome.error]
    assert 0 < len(failed) < len(outcomes)
    assert {str(error).partition(" (")[0] for error in failed} == {
        "Internal server error",
        "the results of the batch lack this item",
    }
    assert all(outcome.reply.text == SAID[n % 8] for n, outcome in enumerate(outcomes) if outcome.reply)


def test_a_stuck_batch_ends_at_its_deadline(run, batch):
    [outcome] = run(batch("queue-stuck", deadline=0.3), PAGES[:1])
    assert isinstance(outcome.error, RequestTimeoutError)


@pytest.mark.parametrize("faults", ["queue-broken", "queue-broken=status", "queue-expired"])
def test_a_lost_batch_fails_for_each_of_its_items(run, batch, faults):
    assert all(outcome.error for outcome in run(batch(faults), PAGES))


def test_a_wrong_token_ends_all_after_one_request(run, batch, running):
    outcomes = run(batch(api_token="wrong", max_items=2), PAGES)
    assert [type(outcome.error) for outcome in outcomes] == [AuthenticationError] * 8
    assert len(running.requests) == 1


def test_references_of_ones_own_have_to_differ(run, batch):
    assert [outcome.reference for outcome in run(batch(), PAGES[:2], ["b", "a"])] == ["b", "a"]
    for wrong in (["a", "a"], ["a"], ["a", ""]):
        with pytest.raises(InvalidRequestError, match="references"):
            run(batch(), PAGES[:2], wrong)


def test_a_batch_is_collected_from_its_ticket(two_steps, batch):
    tickets, outcomes = two_steps(batch(max_items=5), batch(), with_references(PAGES))
    assert [ticket.references for ticket in tickets] == [tuple("01234"), tuple("567")]
    assert texts(outcomes) == SAID


def test_a_request_id_alone_brings_the_results(two_steps, batch):
    class Forgetful(Batch):
        def collect(self, ticket):
            return super().collect(Ticket(ticket.request_id, ticket.model))

        def acollect(self, ticket):
            return super().acollect(Ticket(ticket.request_id, ticket.model))

    made = batch()
    _, outcomes = two_steps(batch(), Forgetful(made.transport, made.options), with_references(PAGES, list("hgfedcba")))
    assert {outcome.reference: outcome.reply.text for outcome in outcomes} == dict(zip("hgfedcba", SAID, strict=True))


def test_a_submission_that_is_refused_raises(two_steps, batch):
    with pytest.raises(InvalidRequestError, match="top_k"):
        two_steps(batch(), batch(), [Item("a", ChatRequest(prompt="x", top_k=3))])


def test_a_ticket_needs_as_many_requests_as_references(batch):
    with pytest.raises(InvalidRequestError, match="2 references, but 1 requests"):
        batch().collect(Ticket("x", PAGES[0].model, ("0", "1")), PAGES[:1])


def test_a_batch_that_is_opened_is_a_job_with_a_journal(tmp_path, batch):
    with Batch.open(tmp_path / "journal", attempts=1) as job:
        job.add(with_references(PAGES))
        assert job.run(batch().transport, BatchOptions(**QUICK)).answered == 8
    with Batch.open(tmp_path / "journal") as job:
        assert [result["text"] for result in job.results()] == SAID
