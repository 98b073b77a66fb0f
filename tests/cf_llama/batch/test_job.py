"""Jobs that outlive their process: each row ends once, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cf_llama import (
    AuthenticationError,
    ChatRequest,
    InvalidRequestError,
    JournalError,
    QuotaExceededError,
    Settings,
    ToolCall,
    Transport,
)
from cf_llama.batch import BatchOptions
from cf_llama.batch.job import Job
from cf_llama.batch.payloads import Item
from cf_llama.transport.json_call import JSONResponse
from cf_llama_emulator.server import serve
from tests.cf_llama.batch.test_driver import QUICK

TOOL = {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}


def rows(count):
    return (Item(f"row-{n}", ChatRequest(messages=[{"role": "user", "content": f"page {n}"}])) for n in range(count))


@pytest.fixture
def job(tmp_path):
    with Job.open(tmp_path / "journal") as job:
        yield job


@pytest.fixture(params=["sync", "async"])
def finish(request):
    """Return a function that works on a job until it is done, in either caller."""

    def work(job, *arguments):
        return job.run(*arguments) if request.param == "sync" else asyncio.run(job.arun(*arguments))

    return work


@pytest.fixture
def run(finish):
    """Return a function that runs a job through an emulator with these faults."""

    def through(job, faults="", watch=lambda _: None, token=None, **options):
        with serve(faults=faults) as emulator:
            settings = Settings(
                base_url=emulator.base_url,
                account_id=emulator.account_id,
                api_token=token or emulator.api_token,
                max_retries=0,
            )
            quick = BatchOptions(**QUICK | {"capacity_pause": 0.1} | options)
            return finish(job, Transport(settings.connection()), quick, watch)

    return through


def test_every_row_is_answered_in_order(job, run):
    assert job.add(rows(120)) == 120
    told = []
    progress = run(job, "queue-shuffled, queue-form=2", told.append)
    assert progress[:4] == (120, 120, 0, 0)
    assert progress.usage.total_tokens > 0
    assert told[-1] == progress
    results = list(job.results())
    assert [result["reference"] for result in results] == [f"row-{n}" for n in range(120)]
    assert results[7]["text"] == "You said: page 7"
    assert results[7]["usage"]["completion_tokens"] == 8


def test_rows_are_added_once(job, run):
    assert (job.add(rows(3)), job.add(rows(5))) == (3, 2)
    assert run(job).answered == 5
    assert run(job).answered == 5


def test_a_row_with_another_question_is_refused_and_none_is_added(job):
    job.add(rows(2))
    more = [Item("new", ChatRequest(prompt="x")), Item("row-1", ChatRequest(prompt="another"))]
    with pytest.raises(InvalidRequestError, match="'row-1' is there already"):
        job.add(more)
    assert job.journal.progress.rows == 2


def test_rows_that_fail_are_asked_again_until_that_is_in_vain(job, run):
    job.add(rows(60))
    assert run(job, "queue-failed=0.3, queue-missing=0.2").rows == 60
    job.add(Item(f"more-{n}", item.request) for n, item in enumerate(rows(3)))
    progress = run(job, "queue-failed")
    assert (progress.rows, progress.failed) == (63, progress.rows - progress.answered)
    failed = list(job.results())[-1]
    assert failed == {
        "reference": "more-2",
        "error": {"kind": "ServiceError", "message": "Internal server error", "code": 3043, "status": 200},
    }


def test_a_row_that_can_never_be_right_fails_at_once(job, run):
    job.add([Item("bad", ChatRequest(prompt="x", top_k=3)), *rows(1)])
    assert run(job)[:3] == (2, 1, 1)
    assert next(job.results())["error"]["kind"] == "InvalidRequestError"


def test_requests_and_answers_are_kept_whole(job, run):
    asked = ChatRequest(
        messages=[{"role": "user", "content": "add a 5"}], tools=[TOOL], tool_choice="add", stop=("x",), seed=7
    )
    job.add([Item("a", asked)])
    [item] = job.journal.take(1)
    assert item.request == asked
    job.journal.not_sent([item])
    run(job, "queue-messages")
    [result] = job.results()
    call = ToolCall(**result["tool_calls"][0])
    assert (call.name, dict(call.arguments), result["finish_reason"]) == ("add", {"a": 5}, "tool_calls")


@pytest.mark.parametrize("again", [True, False])
def test_rows_that_were_being_sent_are_named_doubtful(tmp_path, run, again):
    with Job.open(tmp_path / "journal") as job:
        job.add(rows(3))
        job.journal.sending(job.journal.take(2), "m")
    with Job.open(tmp_path / "journal", retry_in_doubt=again) as job:
        progress = run(job)
        assert progress[:4] == ((3, 3, 0, 2) if again else (3, 1, 2, 2))
        assert [result.get("doubtful", False) for result in job.results()] == [True, True, False]


@pytest.mark.parametrize("faults", ["queue-expired", "queue-stuck"])
def test_lost_batches_are_asked_again_and_named_doubtful(job, run, faults):
    job.add(rows(2))
    progress = run(job, faults, deadline=0.1)
    assert progress[:4] == (2, 0, 2, 2)
    assert job.journal.attempts("row-0") == 3


def test_a_batch_that_was_taken_is_asked_for_and_not_sent_again(tmp_path, finish):
    with serve(queue_file=tmp_path / "queue") as emulator, Job.open(tmp_path / "journal") as job:
        settings = Settings(base_url=emulator.base_url, account_id=emulator.account_id, api_token=emulator.api_token)
        transport = Transport(settings.connection())
        job.add(rows(2))
        with pytest.raises(KeyboardInterrupt):
            finish(job, Interrupted(transport), BatchOptions(**QUICK))
        sent = [seen for seen in emulator.requests if "requests" in seen.body]
        assert finish(job, transport, BatchOptions(**QUICK))[:4] == (2, 2, 0, 0)
        assert [seen for seen in emulator.requests if "requests" in seen.body] == sent


class Interrupted:
    """A transport that a key press interrupts at the first poll."""

    def __init__(self, transport):
        self.transport, self.connection = transport, transport.connection

    def post(self, posting):
        if "request_id" in posting.content:
            raise KeyboardInterrupt
        return self.transport.post(posting)

    async def apost(self, posting):
        if "request_id" in posting.content:
            raise KeyboardInterrupt
        return await self.transport.apost(posting)


class Answering:
    """A transport that takes one batch, and answers the poll with these results."""

    connection = Settings(account_id="a" * 32, api_token="t" * 40).connection()

    def __init__(self, *responses):
        self.responses = list(responses)

    def post(self, posting):
        polled = "request_id" in posting.content
        result = {"responses": self.responses} if polled else {"status": "queued", "request_id": "x"}
        return JSONResponse(200, {}, {"result": result, "success": True})

    async def apost(self, posting):
        return self.post(posting)


def test_rows_that_a_spent_quota_left_unanswered_are_asked_when_there_is_one_again(job, finish, run):
    job.add(rows(2))
    spent = {"id": 1, "success": False, "error": {"code": 4006, "message": "spent"}}
    with pytest.raises(QuotaExceededError):
        finish(job, Answering({"id": 0, "result": {"response": "a"}}, spent), BatchOptions(**QUICK))
    assert job.journal.progress[:4] == (2, 1, 0, 0)
    assert run(job)[:4] == (2, 2, 0, 0)


def test_what_befalls_all_stops_the_job_and_loses_nothing(job, run):
    job.add(rows(3))
    with pytest.raises(AuthenticationError):
        run(job, token="wrong")
    assert job.journal.progress[:3] == (3, 0, 0)
    assert run(job).answered == 3


def test_a_journal_is_open_once_at_a_time(job, tmp_path):
    with pytest.raises(JournalError, match="another process has it open"):
        Job.open(tmp_path / "journal")


def test_what_is_no_journal_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"no database" * 100)
    with pytest.raises(JournalError, match="x cannot be used: file is not a database; it is something else"):
        Job.open(tmp_path / "x")


def test_a_journal_in_no_folder_is_refused(tmp_path):
    with pytest.raises(JournalError, match="its folder must exist"):
        Job.open(tmp_path / "missing" / "journal")


def test_a_journal_that_is_damaged_while_it_is_open_says_what_to_do(tmp_path, monkeypatch):
    with Job.open(tmp_path / "journal") as job, monkeypatch.context() as patch:
        patch.setattr(job.journal._database, "_connection", Damaged())
        with pytest.raises(JournalError, match=r"journal cannot be used: .* malformed; it is damaged: restore a copy"):
            list(job.results())


class Damaged:
    def execute(self, *_):
        raise sqlite3.DatabaseError("database disk image is malformed")


FAULTS = "queue-shuffled, queue-failed=0.05, queue-missing=0.05, latency=0.005"


def test_kills_and_restarts_lose_no_row_and_count_none_twice(tmp_path):
    """The client is killed eight times, the emulator restarted twice."""
    journal, count = tmp_path / "journal", 1500
    with Job.open(journal) as job:
        job.add(rows(count))
    emulator = serve(faults=FAULTS, queue_file=tmp_path / "queue")
    port = int(emulator.base_url.rsplit(":")[-1].split("/")[0])
    dice = random.Random(5)
    try:
        for kill in range(8):
            seen = len(emulator.requests)
            client = start(journal, emulator)
            wait_for(emulator, seen + dice.randrange(1, 30))
            time.sleep(dice.uniform(0, 0.02))
            client.kill()
            client.wait()
            client.stdout.close()
            if kill in (2, 5):
                emulator.close()
                emulator = serve(faults=FAULTS, queue_file=tmp_path / "queue", port=port)
        with Job.open(journal) as job:
            assert 0 < job.journal.progress.answered < count, "the kills came in the middle"
        client = start(journal, emulator)
        assert client.wait(60) == 0
        client.stdout.close()
    finally:
        emulator.close()
    with Job.open(journal) as job:
        results = list(job.results())
        assert [result["reference"] for result in results] == [f"row-{n}" for n in range(count)]
        assert all(result["text"] == f"You said: page {n}" for n, result in enumerate(results))
        twice = {result["reference"] for result in results if result.get("doubtful")}
        assert len(twice) <= 80, "at most one batch is in doubt at each kill"


def wait_for(emulator, count):
    """Wait until so many requests have come."""
    for _ in range(3000):
        if len(emulator.requests) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(len(emulator.requests))


def start(journal, emulator):
    """Start the client, and wait until it has opened its journal."""
    script = Path(__file__).with_name("job_process.py")
    account = (emulator.base_url, emulator.account_id, emulator.api_token)
    process = subprocess.Popen([sys.executable, script, journal, *account], stdout=subprocess.PIPE)  # noqa: S603 - ours
    assert process.stdout.readline() == b"open\n"
    return process
