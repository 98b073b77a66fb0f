"""The benchmark itself: its server speaks the service's two routes, and its subjects get what was asked for."""

import asyncio
from dataclasses import replace

import pytest

from benchmarks.speed import clock, footprint, report
from benchmarks.speed.growth import Curve, Growth, grow, table
from benchmarks.speed.measure import Bench, Goal, Measure, Sample
from benchmarks.speed.measures import MEASURES
from benchmarks.speed.names import BARE, LC, LI, NULL_LC, NULLS, OURS, RAW
from benchmarks.speed.run import Row, take
from benchmarks.speed.service import service
from benchmarks.speed.subjects.available import available
from benchmarks.speed.task import Task, last_report

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
    read = last_report(str(task.messages).encode())
    assert (read.kind, read.events, read.latency, read.pace, read.refuse) == ("calls", 7, 200, 1, 10)
    assert [message["role"] for message in task.messages] == ["user", "assistant", "user"]


def test_all_subjects_get_the_answer_whole_sync_and_async(subject):
    assert answered(subject.asks(Task())()) == "Hello there, how are you?"

    async def asked():
        try:
            return await subject.aasks(Task(turns=3, tools=1))()
        finally:
            await subject.aclose()

    assert answered(asyncio.run(asked())) == "Hello there, how are you?"


@pytest.mark.parametrize("pace", [0, 1])
def test_all_subjects_get_each_event_of_a_stream_sync_and_async(subject, pace):
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


def test_a_burst_counts_its_connections(running):
    samples = clock.burst(Bench(running, SUBJECTS[BARE]), Task(latency=20), 30)
    cold, warm = samples["cold"], samples["warm"]
    assert 5 <= cold.connections <= 30  # while no limit is known, few calls at a time begin
    assert (cold.errors, warm.errors) == (0, 0)
    assert warm.connections <= 30 - cold.connections


def test_calls_that_fail_are_counted(running):
    class Fails(SUBJECTS[RAW]):
        def asks(self, task):
            ask = super().asks(task)
            return lambda: ask()["errors"][0]["code"] // 0

    assert clock.threads(Bench(running, Fails), Task(refuse=2), 4, 2).errors == 4


def test_each_so_manieth_request_is_refused_from_the_beginning_of_a_measurement(running):
    raw = SUBJECTS[RAW](running)
    ask = raw.asks(Task(refuse=3))
    for _ in range(2):
        running.connections()
        assert [ask()["success"] for _ in range(4)] == [True, True, False, True]
    raw.close()


def ratio_row():
    goals = {"": {LC: Goal(0.5, 0.25, over=NULL_LC)}}
    row = Row(Measure(name="x", title="things", unit="ms", take=lambda bench: {}, goals=goals), "")
    row.samples[RAW] = [Sample(10), Sample(30), Sample(20)]
    row.samples[NULL_LC] = [Sample(5)]
    row.samples[LC] = [Sample(14)]
    return row


def test_ratios_are_to_the_reference_and_goals_to_the_floor():
    row = ratio_row()
    assert row.ratio(LC) == pytest.approx(0.7)
    assert row.goal(LC) == Goal(0.75, 0.5)
    assert row.goal(RAW) is None


def test_a_reference_can_be_each_ones_own_framework_or_an_ideal():
    row = ratio_row()
    row.measure = replace(row.measure, reference={LC: NULL_LC})
    assert (row.ratio(LC), row.ratio(NULL_LC)) == (pytest.approx(2.8), 1)
    row.measure = replace(row.measure, reference=7.0)
    assert row.ratio(LC) == 2


@pytest.mark.parametrize(
    ("goal", "sample", "met"),
    [
        (Goal(1.0), Sample(1), True),
        (Goal(0.9), Sample(1), False),
        (Goal(1.0), Sample(1, errors=1), False),
        (Goal(1.0, connections=5), Sample(1, connections=5), True),
        (Goal(1.0, connections=5), Sample(1, connections=6), False),
    ],
)
def test_a_goal_is_met_by_the_ratio_with_no_call_failed_and_no_connection_too_many(goal, sample, met):
    assert goal.met(1.0, sample) is met


def test_the_report_says_what_is_met_and_what_is_missed():
    row = ratio_row()
    assert "| things | 1.00 | 0.25 | 0.70 ≤ 0.75 | raw httpx: 20 ms |" in report.markdown([row])
    row.samples[LC] = [Sample(8)]
    assert "0.40 ≤ 0.50 *stretch*" in report.markdown([row])
    row.samples[LC] = [Sample(40, connections=1200, errors=3)]
    assert "**2.00, not ≤ 0.75**" in report.markdown([row])
    row.samples = {LC: [Sample(40, connections=1200, errors=3)], RAW: [Sample(20, connections=1)]}
    row.measure = replace(row.measure, goals={})
    assert "| things | 1 | 1,200, **3 failed** |" in report.markdown([row])


def test_subjects_take_turns(running):
    turns = []
    measure = Measure(
        name="x",
        title="x",
        unit="µs",
        take=lambda bench: turns.append(bench.make.name) or {"": Sample(3)},
        who=(RAW, BARE),
    )
    (row,) = take(measure, SUBJECTS.values(), running, 2, print)
    assert turns == [RAW, BARE, RAW, BARE]
    assert row.value(RAW) == 3


def test_a_growth_tells_its_power_and_spares_who_has_become_too_slow(running):
    def squares(bench, size):
        return size**2 * (1e4 if bench.make.name == RAW else 1e-3)

    growth = Growth(name="x", title="things", unit="thing", sizes=(1, 10, 100, 1000), take=squares, who=(RAW, BARE))
    curve = grow(growth, SUBJECTS.values(), running, print)
    assert curve.exponent(BARE) == pytest.approx(2)
    assert list(curve.times[RAW]) == [1, 10, 100]  # a hundred took 100 s
    assert "| raw httpx | 10,000.0 | 100,000.0 | 1,000,000.0 | too slow | 2.00 |" in list(table(curve))
    assert isinstance(curve, Curve)


@pytest.mark.parametrize("name", [LC, LI])
def test_processes_and_models_are_weighed(running, name):
    bench = Bench(running, SUBJECTS[name])
    before = running.connections()
    assert footprint.first_answer(bench) > 0
    assert footprint.imports(bench) > 0
    assert running.connections() - before == 1
    assert footprint.one_more_model(bench, 2) > 0
    assert footprint.memory(bench, Task(events=50)) > 0


def test_all_measures_are_named_once_and_know_their_subjects():
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    for measure in MEASURES:
        assert {who for goals in measure.goals.values() for who in goals} <= set(measure.who), measure.name
