"""The jobs and their file."""

from dataclasses import replace

import pytest

from cf_llama_emulator.batch_queue.jobs import MEMORY, Job, Jobs
from cf_llama_emulator.server import serve

JOB = Job(request_id="a", model="m", submitted=1.5, requests=[{"prompt": "x"}], faults={"queue-form": "2"})
DONE = replace(JOB, answers=[None, {"success": True, "result": {"response": "ø"}}])


def test_a_job_is_found_by_its_id_and_by_nothing_else():
    jobs = Jobs()
    jobs.put(JOB)
    assert jobs.find("a") is JOB
    assert jobs.find("b") is None
    assert jobs.find(["a"]) is None


def test_a_file_keeps_the_last_state_of_each_job(tmp_path):
    jobs = Jobs(tmp_path / "queue")
    for job in (JOB, replace(JOB, request_id="b"), DONE):
        jobs.put(job)
    again = Jobs(tmp_path / "queue")
    assert again.find("a") == DONE
    assert again.find("b").answers is None


def test_a_line_broken_by_a_kill_spoils_no_other(tmp_path):
    path = tmp_path / "queue"
    Jobs(path).put(JOB)
    with path.open("ab") as file:
        file.write(b'\n{"request_id": "b", "mod')
    Jobs(path).put(DONE)
    again = Jobs(path)
    assert again.find("a") == DONE
    assert again.find("b") is None


def test_the_oldest_are_forgotten():
    jobs = Jobs()
    for number in range(MEMORY + 1):
        jobs.put(replace(JOB, request_id=str(number)))
    assert jobs.find("0") is None
    assert jobs.find("1")
    assert jobs.find(str(MEMORY))


def test_a_file_that_cannot_be_written_is_named_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"queue_file .*no/queue cannot be written: No such file"):
        serve(queue_file=tmp_path / "no" / "queue")
