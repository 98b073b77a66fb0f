"""What a call costs in calls of functions: no more than it did, and no more the longer it gets.

`python -m benchmarks.speed.counts` counts anew and prints the bounds.
"""

from dataclasses import replace

import pytest

from benchmarks.speed.counts import COLOURS, EVENT, TASKS, WHO, Counts
from benchmarks.speed.service import service
from benchmarks.speed.task import Task

BOUNDS = {
    ("chat", "ours, bare", "sync"): 755,
    ("50 messages", "ours, bare", "sync"): 1025,
    ("20 tools", "ours, bare", "sync"): 7968,
    ("two calls", "ours, bare", "sync"): 1745,
    ("event", "ours, bare", "sync"): 55.0,
    ("chat", "ours, LangChain", "sync"): 784,
    ("50 messages", "ours, LangChain", "sync"): 1323,
    ("20 tools", "ours, LangChain", "sync"): 1074,
    ("two calls", "ours, LangChain", "sync"): 1171,
    ("event", "ours, LangChain", "sync"): 58.3,
    ("chat", "ours, LlamaIndex", "sync"): 829,
    ("50 messages", "ours, LlamaIndex", "sync"): 1260,
    ("20 tools", "ours, LlamaIndex", "sync"): 1275,
    ("two calls", "ours, LlamaIndex", "sync"): 1403,
    ("event", "ours, LlamaIndex", "sync"): 56.1,
    ("chat", "ours, bare", "async"): 857,
    ("50 messages", "ours, bare", "async"): 1127,
    ("20 tools", "ours, bare", "async"): 8070,
    ("two calls", "ours, bare", "async"): 1847,
    ("event", "ours, bare", "async"): 55.0,
    ("chat", "ours, LangChain", "async"): 884,
    ("50 messages", "ours, LangChain", "async"): 1423,
    ("20 tools", "ours, LangChain", "async"): 1176,
    ("two calls", "ours, LangChain", "async"): 1273,
    ("event", "ours, LangChain", "async"): 57.2,
    ("chat", "ours, LlamaIndex", "async"): 938,
    ("50 messages", "ours, LlamaIndex", "async"): 1369,
    ("20 tools", "ours, LlamaIndex", "async"): 1386,
    ("two calls", "ours, LlamaIndex", "async"): 1514,
    ("event", "ours, LlamaIndex", "async"): 56.1,
}


@pytest.fixture(scope="module")
def counts():
    with service() as running:
        yield Counts(running)


def cases(*what):
    return pytest.mark.parametrize(("what", "who", "colour"), [key for key in BOUNDS if key[0] in what])


def test_there_is_a_bound_for_everything():
    assert set(BOUNDS) == {(what, who, colour) for what in (*TASKS, EVENT) for who in WHO for colour in COLOURS}


@cases(*TASKS)
def test_a_call_calls_no_more_functions_than_it_did(counts, what, who, colour):
    assert counts.call(who, what, colour) <= BOUNDS[what, who, colour]


@cases(EVENT)
def test_an_event_calls_no_more_functions_than_it_did(counts, what, who, colour):
    assert counts.event(who, colour) <= BOUNDS[what, who, colour]


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
