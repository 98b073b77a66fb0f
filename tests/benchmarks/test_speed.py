"""The benchmark itself: its server speaks the service's two routes, and its subjects get what was asked for."""

import asyncio

import pytest

from benchmarks.speed.clock import Bench, Sample
from benchmarks.speed.measures import BARE, LC, LI, NULL_LC, NULLS, OURS, RAW, Goal, Measure
from benchmarks.speed.run import Row, take
from benchmarks.speed.service import service
from benchmarks.speed.subjects.available import available
from benchmarks.speed.task import Task, told

SUBJECTS = {subject.name: subject for subject in available(peers=False, tell=print)}


@pytest.fixture(scope="module")
def running():
    with service() as running:
        yield running


@pytest.fixture(params=[RAW, *OURS])
def subject(request, running):
    subject = SUBJECTS[request.param](running)
    yield subject
    subject.close()


def answered(answer):
    """The text of whatever a subject returns."""
    match answer:
        case {"result": {"response": text}}:
            return text
        case str() | None:
            return answer
    for name in ("text", "content", "message"):
        if hasattr(answer, name):
            return answered(getattr(answer, name))
    return answer


def test_a_question_tells_its_task():
    task = Task(kind="calls", turns=3, tools=2, events=7, latency=200, pace=1, refuse=10)
    read = told(str(task.messages).encode())
    assert (read.kind, read.events, read.latency, read.pace, read.refuse) == ("calls", 7, 200, 1, 10)
    assert [message["role"] for message in task.messages] == ["user", "assistant", "user"]


def test_all_subjects_get_the_answer_whole_in_both_colours(subject):
    assert answered(subject.asks(Task())()) == "Hello there, how are you?"

    async def asked():
        try:
            return await subject.aasks(Task(turns=3, tools=1))()
        finally:
            await subject.aclose()

    assert answered(asyncio.run(asked())) == "Hello there, how are you?"


@pytest.mark.parametrize("pace", [0, 1])
def test_all_subjects_get_each_event_of_a_stream_in_both_colours(subject, pace):
    async def asked():
        try:
            return [piece async for piece in subject.astreams(Task(events=20, pace=pace))()]
        finally:
            await subject.aclose()

    for pieces in (list(subject.streams(Task(events=20, pace=pace))()), asyncio.run(asked())):
        assert str(pieces).count("word ") >= 20


@pytest.mark.parametrize("name", [LC, LI])
def test_calls_and_forms_are_found(running, name):
    subject = SUBJECTS[name](running)
    called = subject.asks(Task(kind="calls", tools=2))()
    assert str(called).count("Turin") >= 1
    assert len(getattr(called, "tool_calls", called)) == 2
    assert subject.asks(Task(kind="form"))().cities == ["London", "Turin"]
    subject.close()


def test_models_that_talk_to_nobody_open_no_connection(running):
    before = running.connections()
    for name in NULLS:
        subject = SUBJECTS[name](running)
        subject.asks(Task())()
        assert len(list(subject.streams(Task(events=5))())) >= 5
    assert running.connections() == before


def test_a_burst_counts_its_connections_and_the_errors_in_it(running):
    bench = Bench(running, SUBJECTS[BARE])
    samples = bench.burst(Task(latency=20), 30)
    assert [samples[name].note for name in ("cold", "warm")] == ["30 connections", "0 connections"]
    refused = Bench(running, SUBJECTS[RAW]).threads(Task(kind="form"), 4, 2)
    assert "errors" not in refused.note


def test_ratios_are_to_the_reference_and_goals_to_the_floor():
    goals = {"": {LC: Goal(0.5, 0.25, over=NULL_LC)}}
    measure = Measure(name="x", title="x", unit="ms", take=lambda bench, calls: {}, calls=1, goals=goals)
    row = Row(measure, "")
    row.samples[RAW] = [Sample(10), Sample(30), Sample(20)]
    row.samples[NULL_LC] = [Sample(5)]
    row.samples[LC] = [Sample(14)]
    assert row.ratio(LC) == pytest.approx(0.7)
    assert row.goal(LC) == Goal(0.75, 0.5)
    assert row.goal(RAW) is None


def test_subjects_take_turns(running):
    turns = []
    measure = Measure(
        name="x",
        title="x",
        unit="µs",
        take=lambda bench, calls: turns.append(bench.make.name) or {"": Sample(calls)},
        calls=3,
        who=(RAW, BARE),
    )
    (row,) = take(measure, SUBJECTS.values(), running, 2, print)
    assert turns == [RAW, BARE, RAW, BARE]
    assert row.value(RAW) == 3
