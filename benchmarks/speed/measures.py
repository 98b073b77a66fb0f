"""All that is measured: on whom, how often, and what the goals are.

The goals are what was found to be within reach before there was any code, on a machine where raw httpx took 406 µs for
a short chat; here they are ratios.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.speed import clock, footprint
from benchmarks.speed.measure import Bench, Goal, Measure, Sample, Take
from benchmarks.speed.names import ASKING, FRAMED, FRAMEWORKS, LC, LI, NULL_LC, NULL_LI, PEERS, RAW
from benchmarks.speed.task import Task

CALL, EVENT = "µs of CPU a call", "µs of CPU an event"


def _one(take: Callable[[Bench], float]) -> Take:
    return lambda bench: {"": Sample(take(bench))}


def _goals(langchain: Goal, llama_index: Goal | None = None) -> dict[str, dict[str, Goal]]:
    return {"": {LC: langchain, LI: llama_index or langchain}}


def _cpu(task: Task, calls: int) -> Take:
    return _one(lambda bench: clock.cpu(bench, task, calls))


def _acpu(task: Task, calls: int) -> Take:
    return _one(lambda bench: clock.acpu(bench, task, calls))


def _stream(task: Task) -> Take:
    return _one(lambda bench: clock.stream_cpu(bench, task))


def _astream(task: Task) -> Take:
    return _one(lambda bench: clock.astream_cpu(bench, task))


_LONG, _CALLS, _FORM = Task(turns=50, tools=20), Task(kind="calls", tools=2), Task(kind="form")
_FAST, _PACED, _HELD = Task(events=2000), Task(events=300, pace=1), Task(events=2000)

CHATS = (
    Measure(
        name="chat-sync",
        title="short chat, sync",
        unit=CALL,
        take=_cpu(Task(), 300),
        goals=_goals(Goal(1.35, 0.9), Goal(1.2, 0.75)),
    ),
    Measure(
        name="chat-async",
        title="short chat, async",
        unit=CALL,
        take=_acpu(Task(), 300),
        goals=_goals(Goal(0.9, 0.6), Goal(0.7, 0.4)),
    ),
    Measure(
        name="long-sync",
        title="50 messages and 20 tools, sync",
        unit=CALL,
        take=_cpu(_LONG, 50),
        goals=_goals(Goal(1.15, 0.8)),
    ),
    Measure(
        name="long-async",
        title="50 messages and 20 tools, async",
        unit=CALL,
        take=_acpu(_LONG, 50),
        goals=_goals(Goal(0.85, 0.6)),
    ),
    Measure(
        name="calls",
        title="two tool calls parsed, sync",
        unit=CALL,
        take=_cpu(_CALLS, 200),
        who=ASKING,
        goals=_goals(Goal(1.4, 0.9), Goal(1.3, 0.8)),
    ),
    Measure(
        name="form",
        title="structured output, sync",
        unit=CALL,
        take=_cpu(_FORM, 150),
        who=(RAW, *FRAMED),
        goals=_goals(Goal(1.85, 1.4), Goal(3.0)),
    ),
)

STREAMS = (
    Measure(
        name="stream-sync",
        title="stream at full speed, sync",
        unit=EVENT,
        take=_stream(_FAST),
        goals=_goals(Goal(0.95, 0.32, NULL_LC), Goal(0.95, 0.32, NULL_LI)),
    ),
    Measure(
        name="stream-async",
        title="stream at full speed, async",
        unit=EVENT,
        take=_astream(_FAST),
        goals=_goals(Goal(0.78, 0.26, NULL_LC), Goal(0.78, 0.26, NULL_LI)),
    ),
    Measure(
        name="paced-sync",
        title="stream at one event a millisecond, sync",
        unit=EVENT,
        take=_stream(_PACED),
        who=ASKING,
        goals=_goals(Goal(1.3, 1.1)),
    ),
    Measure(
        name="paced-async",
        title="stream at one event a millisecond, async",
        unit=EVENT,
        take=_astream(_PACED),
        who=ASKING,
        goals=_goals(Goal(0.75, 0.6)),
    ),
    Measure(
        name="first-event",
        title="first event of a stream, after the server's own time",
        unit="ms",
        take=_one(lambda bench: clock.first_event(bench, Task(events=20, latency=20), 15)),
        who=ASKING,
        goals=_goals(Goal(1.0, 0.85)),
    ),
)


def _burst(calls: int, cold: Goal, warm: Goal) -> Measure:
    return Measure(
        name=f"burst-{calls}",
        title=f"{calls:,} async calls at once, 200 ms",
        unit="ms",
        take=lambda bench: clock.burst(bench, Task(latency=200), calls),
        who=ASKING,
        reference=200.0,
        goals={"cold": {LC: cold, LI: cold}, "warm": {LC: warm, LI: warm}},
    )


WALLS = (
    _burst(200, Goal(1.55, 1.325, connections=200), Goal(1.35, 1.2, connections=0)),
    _burst(1000, Goal(4.25, 3.0, connections=1000), Goal(3.0, 2.25, connections=0)),
    Measure(
        name="threads",
        title="1,000 sync calls of 64 threads, 20 ms",
        unit="ms",
        take=lambda bench: {"": clock.threads(bench, Task(latency=20), 1000, 64)},
        who=ASKING,
        reference=1000 / 64 * 20,
        goals=_goals(Goal(2.08, 1.28, connections=64)),
    ),
    Measure(
        name="refused",
        title="200 async calls at once, each tenth answered by 429 and Retry-After: 1",
        unit="ms",
        take=lambda bench: {"": clock.burst(bench, Task(refuse=10), 200)["cold"]},
        who=(LC, LI, *PEERS),
        reference=2000.0,
        goals=_goals(Goal(1.25)),
        rounds=1,
    ),
)

WEIGHTS = (
    Measure(
        name="import",
        title="import",
        unit="ms",
        take=_one(footprint.imports),
        who=FRAMED,
        reference=FRAMEWORKS,
        goals=_goals(Goal(1.033, 1.017), Goal(1.022, 1.011)),
    ),
    Measure(
        name="first-answer",
        title="a process from its start through one answer to its end",
        unit="ms",
        take=_one(footprint.first_answer),
        who=FRAMED,
        reference=FRAMEWORKS,
        goals=_goals(Goal(1.083, 1.05), Goal(1.057, 1.034)),
    ),
    Measure(
        name="model",
        title="one more model",
        unit="µs of CPU",
        take=_one(lambda bench: footprint.one_more_model(bench, 30)),
        who=FRAMED,
        reference=FRAMEWORKS,
        goals=_goals(Goal(20.0, 6.0)),
    ),
    Measure(
        name="memory",
        title="memory that an event holds when all are kept",
        unit="bytes",
        take=_one(lambda bench: footprint.memory(bench, _HELD)),
        who=FRAMED,
        reference=FRAMEWORKS,
        goals=_goals(Goal(1.03)),
        rounds=1,
    ),
)

MEASURES = (*CHATS, *STREAMS, *WALLS, *WEIGHTS)
