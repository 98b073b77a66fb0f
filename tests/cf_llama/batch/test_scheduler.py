"""What is done next, decided without a clock and without a socket."""

from __future__ import annotations

from itertools import islice

import pytest

from cf_llama import (
    AuthenticationError,
    BadResponseError,
    CapacityError,
    ChatRequest,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    SubmissionInDoubtError,
    Usage,
)
from cf_llama.batch.actions import Pause, Poll, Ticket
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.packing import Submission
from cf_llama.batch.payloads import Item
from cf_llama.batch.scheduler import BatchScheduler
from cf_llama.transport.json_call import JSONResponse


def work(count, text="Hi", **options):
    source = iter([Item(str(n), ChatRequest(prompt=text)) for n in range(count)])
    return BatchScheduler(BatchOptions(**options), lambda wanted: list(islice(source, wanted)))


def page(result):
    return JSONResponse(200, {}, {"result": result, "success": True})


def taken(name="x"):
    return page({"status": "queued", "request_id": name})


def answered(step, **usage):
    listed = [
        {"external_reference": item.reference, "success": True, "result": {"response": "a"}} for item in step.items
    ]
    return page({"responses": listed, "usage": usage})


def references(outcomes):
    return [outcome.reference for outcome in outcomes]


def sizes(one, now=0.0):
    """Send all there is; return how many items went into each batch."""
    found = []
    while isinstance(step := one.next_submission(now), Submission):
        found.append(len(step.items))
        one.succeeded(step, taken(str(len(found))), now)
    return found


def test_batches_are_cut_by_count():
    assert sizes(work(7, max_items=3)) == [3, 3, 1]


def test_batches_are_cut_by_size():
    one = work(5, text="x" * 1000, max_bytes=4000)
    assert sizes(one) == [3, 2]


def test_too_large_an_item_fails_alone():
    one = work(1, text="x" * 2000, max_bytes=1000)
    assert sizes(one) == []
    [outcome] = one.take_outcomes()
    assert isinstance(outcome.error, InvalidRequestError)
    assert "larger than 1,000 bytes" in str(outcome.error)


def test_batches_are_of_one_model():
    source = [Item(str(n), ChatRequest(prompt="x", model=f"@cf/a/{n // 2}")) for n in range(4)]
    given = [source, []]
    assert sizes(BatchScheduler(BatchOptions(), lambda _: given.pop(0))) == [2, 2]


def test_only_so_many_wait_at_a_time():
    one = work(3, max_items=1, max_waiting=2)
    for _ in range(2):
        one.succeeded(one.next_action(0), taken(), 0)
    assert one.next_action(0) == Pause(5)
    one.succeeded(poll := one.next_action(5), answered(poll), 5)
    assert isinstance(one.next_action(5), Poll)


def test_polls_become_rarer_and_stop_with_the_results():
    one = work(1, first_poll=5, longest_poll=10)
    one.succeeded(one.next_action(0), taken(), 0)
    now, times = 0.0, []
    while isinstance(pause := one.next_action(now), Pause):
        now += pause.seconds
        times.append(now)
        one.succeeded(one.next_action(now), answered(one.waiting[0]) if now > 40 else taken(), now)
    assert times == [5, 10, 17.5, 27.5, 37.5, 47.5]
    assert references(one.take_outcomes()) == ["0"]
    assert one.next_action(now) is None


def test_a_deadline_ends_the_waiting_after_a_last_poll():
    one = work(1, deadline=7)
    one.succeeded(one.next_action(0), taken("the-id"), 0)
    one.succeeded(one.next_action(5), taken(), 5)
    assert one.next_action(5) == Pause(2)
    one.succeeded(one.next_action(7), taken(), 7)
    [outcome] = one.take_outcomes()
    assert isinstance(outcome.error, RequestTimeoutError)
    assert "the-id" in str(outcome.error)
    assert one.next_action(7) is None


def test_a_poll_that_fails_is_repeated_where_that_may_help():
    one = work(1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), ConnectionFailedError("gone"), 5)
    assert one.next_action(5) == Pause(5)
    one.failed(one.next_action(10), InvalidRequestError("no such batch"), 10)
    [outcome] = one.take_outcomes()
    assert type(outcome.error) is SubmissionInDoubtError
    assert outcome.error.is_retryable
    assert "the batch is lost: no such batch" in str(outcome.error)
    assert one.next_action(10) is None


def test_a_poll_that_is_asked_to_wait_waits():
    one = work(1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), RateLimitError("slowly", retry_after=45), 5)
    assert one.next_action(5) == Pause(45)


@pytest.mark.parametrize("page", ["cut", "empty"])
def test_a_poll_whose_answer_cannot_be_read_is_repeated(page):
    one = work(1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), BadResponseError(page, status=200), 5)
    assert one.take_outcomes() == []
    assert one.next_action(5) == Pause(5)


@pytest.mark.parametrize("code", [None, 7404])
def test_a_batch_that_is_not_found_is_lost_and_stops_no_other(code):
    one = work(2, max_items=1, max_waiting=1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), NotFoundError("no such thing", status=404, code=code), 5)
    assert [type(outcome.error) for outcome in one.take_outcomes()] == [SubmissionInDoubtError]
    assert isinstance(one.next_action(5), Submission)


def test_an_account_that_is_not_found_stops_all():
    one = work(2, max_items=1, max_waiting=1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), NotFoundError("no such account", status=404, code=7003), 5)
    assert one.next_action(5) is None
    assert [type(outcome.error) for outcome in one.remaining_outcomes()] == [NotFoundError] * 2


def test_a_batch_whose_polls_fail_until_the_deadline_may_have_been_answered():
    one = work(1, deadline=10)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(10), ConnectionFailedError("gone"), 10)
    [outcome] = one.take_outcomes()
    assert type(outcome.error) is RequestTimeoutError
    assert "the last time: gone" in str(outcome.error)


def test_a_quota_that_is_spent_in_the_middle_of_a_batch_ends_the_sending():
    one = work(3, max_items=2, max_waiting=1)
    one.succeeded(one.next_action(0), taken(), 0)
    poll = one.next_action(5)
    refused = {"external_reference": "1", "success": False, "error": {"code": 4006, "message": "spent"}}
    found = [{"external_reference": "0", "success": True, "result": {"response": "a"}}, refused]
    one.succeeded(poll, page({"responses": found}), 5)
    assert [type(outcome.error) for outcome in one.take_outcomes()] == [type(None), QuotaExceededError]
    assert one.next_action(5) is None
    assert [(each.reference, type(each.error)) for each in one.remaining_outcomes()] == [("2", QuotaExceededError)]


def test_a_poll_that_every_other_would_share_the_fate_of_ends_the_sending():
    one = work(2, max_items=1, max_waiting=1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), AuthenticationError("revoked"), 5)
    assert one.next_action(5) is None
    assert [type(outcome.error) for outcome in one.remaining_outcomes()] == [AuthenticationError] * 2


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_batch_that_failed_is_not_polled_again(status):
    one = work(2)
    one.succeeded(one.next_action(0), taken(), 0)
    one.succeeded(one.next_action(5), page({"status": status}), 5)
    assert [type(outcome.error) for outcome in one.take_outcomes()] == [ServiceError] * 2
    assert one.next_action(5) is None


def test_a_failed_execution_is_not_polled_again():
    one = work(1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(5), ServiceError("Model execution failed", code=5001), 5)
    assert len(one.take_outcomes()) == 1


def test_messages_are_given_up_once_they_are_refused():
    source = [Item("0", ChatRequest(messages=[{"role": "user", "content": "Hi"}]))]
    given = [source, []]
    one = BatchScheduler(BatchOptions(), lambda _: given.pop(0))
    first = one.next_action(0)
    assert "messages" in first.request.content["requests"][0]
    one.failed(first, InvalidRequestError("bad", code=5006), 0)
    second = one.next_action(0)
    assert "prompt" in second.request.content["requests"][0]
    assert second.items == first.items


def test_what_was_ready_is_written_anew_once_messages_are_refused():
    asked = [ChatRequest(messages=[{"role": "user", "content": "x" * 600}]) for _ in range(3)]
    given = [[Item(str(n), request) for n, request in enumerate(asked)], []]
    one = BatchScheduler(BatchOptions(max_bytes=1200), lambda _: given.pop(0))
    one.failed(one.next_action(0), InvalidRequestError("bad", code=5006), 0)
    sent = []
    while isinstance(step := one.next_submission(0), Submission):
        sent += step.request.content["requests"]
        one.succeeded(step, taken(str(len(sent))), 0)
    assert [item["external_reference"] for item in sent] == ["0", "1", "2"]
    assert all("prompt" in item for item in sent)
    assert one.take_outcomes() == []


REFUSED = [{"id": n, "success": False, "error": {"code": 5006, "message": "needs prompt"}} for n in range(2)]


def test_messages_are_given_up_once_every_answer_says_that_they_are_no_prompt():
    source = iter([Item(str(n), ChatRequest(messages=[{"role": "user", "content": "Hi"}])) for n in range(4)])
    one = BatchScheduler(BatchOptions(max_items=2), lambda wanted: list(islice(source, wanted)))
    for name in "ab":
        one.succeeded(one.next_action(0), taken(name), 0)
    for _ in "ab":
        one.succeeded(one.next_action(5), page({"responses": REFUSED}), 5)
    for name in "cd":
        again = one.next_action(5)
        assert ["prompt" in body for body in again.request.content["requests"]] == [True, True]
        one.succeeded(again, taken(name), 5)
    assert (one.take_outcomes(), one.messages) == ([], False)
    one.succeeded(one.next_action(10), page({"responses": REFUSED}), 10)
    assert [outcome.error.code for outcome in one.take_outcomes()] == [5006, 5006]


def test_a_batch_that_is_only_collected_is_never_sent():
    one = work(0)
    one.resume(Ticket("x", "m", ("0", "1")), [Item(str(n), ChatRequest(prompt="?")) for n in range(2)], 0)
    one.succeeded(one.next_action(0), page({"responses": REFUSED}), 0)
    assert references(one.take_outcomes()) == ["0", "1"]
    assert one.next_action(0) is None


def test_one_bad_item_is_found_and_fails_alone():
    one, now = work(8, items="prompt"), 0
    while isinstance(step := one.next_action(now), Submission):
        if "5" in references(step.items):
            one.failed(step, InvalidRequestError("bad", code=5006), now)
        else:
            one.succeeded(step, taken(), now)
    assert references(one.take_outcomes()) == ["5"]
    assert sorted(reference for poll in one.waiting for reference in poll.ticket.references) == list("0123467")


def test_a_lack_of_capacity_is_waited_for_longer_and_longer():
    one, now, pauses = work(1, capacity_pause=30), 0.0, []
    for _ in range(5):
        one.failed(one.next_action(now), CapacityError("full"), now)
        pauses.append(one.next_action(now).seconds)
        now += pauses[-1]
    assert pauses == [30, 60, 120, 120, 120]
    one.failed(one.next_action(now), CapacityError("full", retry_after=3), now)
    assert one.next_action(now) == Pause(3)


def test_a_service_that_stays_away_is_given_up_at_the_deadline():
    one = work(1, deadline=10, capacity_pause=4)
    one.failed(one.next_action(0), ConnectionFailedError("down"), 0)
    assert one.take_outcomes() == []
    one.failed(one.next_action(10), ConnectionFailedError("down"), 10)
    assert references(one.take_outcomes()) == ["0"]


@pytest.mark.parametrize("error", [AuthenticationError("no"), QuotaExceededError("spent")])
def test_what_would_befall_all_ends_the_sending(error):
    one = work(7, max_items=2)
    one.succeeded(one.next_action(0), taken(), 0)
    one.failed(one.next_action(0), error, 0)
    poll = one.next_action(5)
    one.succeeded(poll, answered(poll), 5)
    assert references(one.take_outcomes()) == ["0", "1"]
    assert one.next_action(5) is None
    rest = list(one.remaining_outcomes())
    assert references(rest) == ["2", "3", "4", "5", "6"]
    assert all(outcome.error is error for outcome in rest)


@pytest.mark.parametrize("how", ["reported", "unread"])
def test_a_submission_in_doubt_is_not_repeated(how):
    one = work(2)
    step = one.next_action(0)
    if how == "reported":
        one.failed(step, SubmissionInDoubtError("silence"), 0)
    else:
        one.succeeded(step, page({"status": "queued"}), 0)
    assert [type(outcome.error) for outcome in one.take_outcomes()] == [SubmissionInDoubtError] * 2
    assert one.next_action(0) is None


def test_a_batch_that_is_answered_at_once_is_not_asked_for():
    one = work(2)
    one.succeeded(step := one.next_action(0), answered(step, prompt_tokens=3, completion_tokens=4), 0)
    assert [outcome.reply.text for outcome in one.take_outcomes()] == ["a", "a"]
    assert one.take_usage() == Usage(3, 4, 7)
    assert one.next_action(0) is None


def test_results_that_cannot_be_read_end_the_batch():
    one = work(2)
    one.succeeded(one.next_action(0), taken(), 0)
    one.succeeded(one.next_action(5), page({"x": 1}), 5)
    assert [type(outcome.error) for outcome in one.take_outcomes()] == [BadResponseError] * 2


def test_what_was_used_is_told_once():
    one = work(1)
    one.succeeded(one.next_action(0), taken(), 0)
    one.succeeded(poll := one.next_action(5), answered(poll, prompt_tokens=3, completion_tokens=4), 5)
    assert one.take_usage() == Usage(3, 4, 7)
    assert one.take_usage() == Usage()


def test_a_batch_is_asked_for_at_once_when_it_is_resumed():
    one = work(0)
    one.resume(Ticket("x", "m", ("0",)), [Item("0", ChatRequest(prompt="Hi"))], 3)
    step = one.next_action(3)
    assert step.request.content == {"request_id": "x"}
    assert step.request.repeatable


@pytest.mark.parametrize("error", [NotFoundError("gone"), AuthenticationError("no")])
def test_a_batch_of_unknown_questions_fails_under_its_id(error):
    one = work(0)
    one.resume(Ticket("x", "m"), [], 0)
    one.failed(one.next_action(0), error, 0)
    assert one.next_action(0) is None
    [outcome] = one.remaining_outcomes()
    assert outcome.reference == "x"
    assert outcome.error
