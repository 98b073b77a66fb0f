"""What a call costs in calls of functions: no more than it did, and no more the longer it gets.

`python -m benchmarks.speed.counts` counts anew and prints the bounds.
"""

from dataclasses import replace
from importlib.metadata import version

import pytest

from benchmarks.speed.counts import EVENT, MODES, TASKS, WHO, Counts
from benchmarks.speed.service import service
from benchmarks.speed.task import Task

BOUNDS = {
    ("chat", "ours, bare", "sync"): 796,
    ("50 messages", "ours, bare", "sync"): 1065,
    ("20 tools", "ours, bare", "sync"): 6799,
    ("two calls", "ours, bare", "sync"): 1673,
    ("event", "ours, bare", "sync"): 55.0,
    ("chat", "ours, LangChain", "sync"): 855,
    ("50 messages", "ours, LangChain", "sync"): 1394,
    ("20 tools", "ours, LangChain", "sync"): 1146,
    ("two calls", "ours, LangChain", "sync"): 1250,
    ("event", "ours, LangChain", "sync"): 58.3,
    ("chat", "ours, LlamaIndex", "sync"): 874,
    ("50 messages", "ours, LlamaIndex", "sync"): 1305,
    ("20 tools", "ours, LlamaIndex", "sync"): 1320,
    ("two calls", "ours, LlamaIndex", "sync"): 1456,
    ("event", "ours, LlamaIndex", "sync"): 56.1,
    ("chat", "ours, bare", "async"): 914,
    ("50 messages", "ours, bare", "async"): 1183,
    ("20 tools", "ours, bare", "async"): 6916,
    ("two calls", "ours, bare", "async"): 1790,
    ("event", "ours, bare", "async"): 55.0,
    ("chat", "ours, LangChain", "async"): 971,
    ("50 messages", "ours, LangChain", "async"): 1510,
    ("20 tools", "ours, LangChain", "async"): 1263,
    ("two calls", "ours, LangChain", "async"): 1368,
    ("event", "ours, LangChain", "async"): 57.2,
    ("chat", "ours, LlamaIndex", "async"): 998,
    ("50 messages", "ours, LlamaIndex", "async"): 1429,
    ("20 tools", "ours, LlamaIndex", "async"): 1447,
    ("two calls", "ours, LlamaIndex", "async"): 1582,
    ("event", "ours, LlamaIndex", "async"): 56.1,
}


@pytest.fixture(scope="module")
def counts():
    with service() as running:
        yield Counts(running)


OLD = pytest.mark.skipif(
    tuple(map(int, version("langchain-core").split(".")[:2])) < (1, 8), reason="an older LangChain calls more functions"
)


def cases(*what):
    keys = (key for key in BOUNDS if key[0] in what)
    return pytest.mark.parametrize(
        ("what", "who", "mode"), [pytest.param(*key, marks=OLD if "LangChain" in key[1] else ()) for key in keys]
    )


def test_there_is_a_bound_for_everything():
    assert set(BOUNDS) == {(what, who, mode) for what in (*TASKS, EVENT) for who in WHO for mode in MODES}


@cases(*TASKS)
def test_a_call_calls_no_more_functions_than_it_did(counts, what, who, mode):
    assert counts.call(who, what, mode) <= BOUNDS[what, who, mode]


@cases(EVENT)
def test_an_event_calls_no_more_functions_than_it_did(counts, what, who, mode):
    assert counts.event(who, mode) <= BOUNDS[what, who, mode]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("task", [Task(), Task(tools=2), Task(kind="json"), Task(kind="json", tools=2)], ids=str)
def test_an_event_costs_the_same_however_many_went_before(counts, who, task):
    early, late = (counts.event(who, "sync", replace(task, events=events)) for events in (100, 1000))
    assert late == pytest.approx(early, rel=0.05, abs=0.5)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("what", ["turns", "tools"])
def test_a_message_and_a_tool_cost_the_same_however_many_there_are(counts, who, what):
    few, some, many = (counts.added(who, Task(**{what: number})) for number in (4, 20, 100))
    assert (many - some) / 80 == pytest.approx((some - few) / 16, rel=0.05, abs=0.5)
