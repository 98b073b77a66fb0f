"""What is measured, how often, on whom, and what is the goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.speed.clock import Bench, Sample
from benchmarks.speed.task import Task

RAW, BARE = "raw httpx", "ours, bare"
NULL_LC, NULL_LI = "null LangChain", "null LlamaIndex"
LC, LI = "ours, LangChain", "ours, LlamaIndex"
NULLS, OURS = (NULL_LC, NULL_LI), (BARE, LC, LI)
LC_PEERS = ("langchain-cloudflare", "ChatOpenAI")
PEERS = (*LC_PEERS, "OpenAILike")
ALL = (RAW, *NULLS, *OURS, *PEERS)
ASKING = (RAW, *OURS, *PEERS)


@dataclass(frozen=True, slots=True)
class Goal:
    """The most that a ratio may be, and the most that was hoped for; `over` names whose ratio comes on top."""

    most: float
    hoped: float | None = None
    over: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to measure.

    Args:
        name: What it is called on the command line.
        title: What it is called in the results.
        unit: Of the figures.
        take: Takes one sample of a subject; a row of the results for each name in it.
        calls: How many calls a sample makes.
        who: Subjects by name.
        reference: Whom ratios are to, or a figure in `unit` that is ideal.
        goals: By row, by subject.
        rounds: Samples of each subject.
    """

    name: str
    title: str
    unit: str
    take: Callable[[Bench, int], dict[str, Sample]]
    calls: int
    who: tuple[str, ...] = ALL
    reference: str | float = RAW
    goals: Mapping[str, Mapping[str, Goal]] = field(default_factory=dict)
    rounds: int = 5


def _one(take: Callable[[Bench, int], float]) -> Callable[[Bench, int], dict[str, Sample]]:
    return lambda bench, calls: {"": Sample(take(bench, calls))}


def _goals(langchain: Goal | None, llama_index: Goal | None) -> dict[str, dict[str, Goal]]:
    return {"": {name: goal for name, goal in ((LC, langchain), (LI, llama_index)) if goal}}


_SHORT = Task()
_LONG = Task(turns=50, tools=20)
_CALLS = Task(kind="calls", tools=2)
_FORM = Task(kind="form")
_STREAM = Task(events=2000)

CHATS = (
    Measure(
        name="chat-sync",
        title="short chat, sync",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.cpu(_SHORT, calls)),
        calls=300,
        goals=_goals(Goal(1.35, 0.9), Goal(1.2, 0.75)),
    ),
    Measure(
        name="chat-async",
        title="short chat, async",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.acpu(_SHORT, calls)),
        calls=300,
        goals=_goals(Goal(0.9, 0.6), Goal(0.7, 0.4)),
    ),
    Measure(
        name="long-sync",
        title="50 messages and 20 tools, sync",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.cpu(_LONG, calls)),
        calls=60,
        goals=_goals(Goal(1.15, 0.8), Goal(1.15, 0.8)),
    ),
    Measure(
        name="long-async",
        title="50 messages and 20 tools, async",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.acpu(_LONG, calls)),
        calls=60,
        goals=_goals(Goal(0.85, 0.6), Goal(0.85, 0.6)),
    ),
    Measure(
        name="calls",
        title="two tool calls parsed, sync",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.cpu(_CALLS, calls)),
        calls=200,
        who=ASKING,
        goals=_goals(Goal(1.4, 0.9), Goal(1.3, 0.8)),
    ),
    Measure(
        name="form",
        title="structured output, sync",
        unit="µs of CPU a call",
        take=_one(lambda bench, calls: bench.cpu(_FORM, calls)),
        calls=150,
        who=(RAW, *NULLS, LC, LI, *PEERS),
        goals=_goals(Goal(1.85, 1.4), Goal(3.0)),
    ),
)

STREAMS = (
    Measure(
        name="stream-sync",
        title="stream at full speed, sync",
        unit="µs of CPU an event",
        take=_one(lambda bench, calls: bench.stream_cpu(_STREAM, calls)),
        calls=1,
        goals=_goals(Goal(0.95, 0.32, NULL_LC), Goal(0.95, 0.32, NULL_LI)),
    ),
    Measure(
        name="stream-async",
        title="stream at full speed, async",
        unit="µs of CPU an event",
        take=_one(lambda bench, calls: bench.astream_cpu(_STREAM, calls)),
        calls=1,
        goals=_goals(Goal(0.78, 0.26, NULL_LC), Goal(0.78, 0.26, NULL_LI)),
    ),
)


def _burst(calls: int, cold: Goal, warm: Goal) -> Measure:
    return Measure(
        name=f"burst-{calls}",
        title=f"{calls:,} async calls at once, 200 ms",
        unit="ms",
        take=lambda bench, calls: bench.burst(Task(latency=200), calls),
        calls=calls,
        who=(RAW, *OURS, *PEERS),
        reference=200.0,
        goals={"cold": {LC: cold, LI: cold}, "warm": {LC: warm, LI: warm}},
        rounds=3,
    )


WALLS = (
    _burst(200, Goal(1.55, 1.325), Goal(1.35, 1.2)),
    _burst(1000, Goal(4.25, 3.0), Goal(3.0, 2.25)),
    Measure(
        name="threads",
        title="1,000 sync calls of 64 threads, 20 ms",
        unit="ms",
        take=lambda bench, calls: {"": bench.threads(Task(latency=20), calls, 64)},
        calls=1000,
        who=(RAW, *OURS, *PEERS),
        reference=1000 / 64 * 20,
        goals=_goals(Goal(650 / 313, 400 / 313), Goal(650 / 313, 400 / 313)),
        rounds=3,
    ),
)

MEASURES = (*CHATS, *STREAMS, *WALLS)
