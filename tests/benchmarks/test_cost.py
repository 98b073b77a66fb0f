"""What a call costs in calls of functions: no more than it did, and no more the longer it gets.

`python -m benchmarks.speed.counts` counts anew and prints the bounds.
"""

from dataclasses import replace

import pytest

from benchmarks.speed.counts import COLOURS, EVENT, TASKS, WHO, Counts
from benchmarks.speed.service import service
from benchmarks.speed.task import Task

BOUNDS = {
    ("chat", "ours, bare", "sync"): 2691,
    ("50 messages", "ours, bare", "sync"): 3122,
    ("20 tools", "ours, bare", "sync"): 10150,
    ("two calls", "ours, bare", "sync"): 3673,
    ("event", "ours, bare", "sync"): 188.1,
    ("chat", "ours, LangChain", "sync"): 2794,
    ("50 messages", "ours, LangChain", "sync"): 3681,
    ("20 tools", "ours, LangChain", "sync"): 18775,
    ("two calls", "ours, LangChain", "sync"): 4718,
    ("event", "ours, LangChain", "sync"): 193.6,
    ("chat", "ours, LlamaIndex", "sync"): 2756,
    ("50 messages", "ours, LlamaIndex", "sync"): 3561,
    ("20 tools", "ours, LlamaIndex", "sync"): 10903,
    ("two calls", "ours, LlamaIndex", "sync"): 4064,
    ("event", "ours, LlamaIndex", "sync"): 189.2,
    ("chat", "ours, bare", "async"): 3791,
    ("50 messages", "ours, bare", "async"): 4222,
    ("20 tools", "ours, bare", "async"): 11250,
    ("two calls", "ours, bare", "async"): 4773,
    ("event", "ours, bare", "async"): 188.1,
    ("chat", "ours, LangChain", "async"): 3903,
    ("50 messages", "ours, LangChain", "async"): 4790,
    ("20 tools", "ours, LangChain", "async"): 19886,
    ("two calls", "ours, LangChain", "async"): 5829,
    ("event", "ours, LangChain", "async"): 192.5,
    ("chat", "ours, LlamaIndex", "async"): 3882,
    ("50 messages", "ours, LlamaIndex", "async"): 4688,
    ("20 tools", "ours, LlamaIndex", "async"): 12042,
    ("two calls", "ours, LlamaIndex", "async"): 5203,
    ("event", "ours, LlamaIndex", "async"): 189.2,
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
