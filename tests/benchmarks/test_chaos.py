"""The chaos run itself: it can run, it is the same each time, and its judge lets nothing pass."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.__main__ import Run
from benchmarks.chaos.calls import Outcome
from benchmarks.chaos.judge import REFUSALS, complaints
from benchmarks.chaos.meaning import KINDS, meaning
from benchmarks.chaos.service import BROKEN, FATES, HANGING, HARMLESS, LEAKS, REFUSED, REFUSED_FOR_NOW, faults_of
from benchmarks.chaos.traces import Traces
from cf_llama.protocol.errors import (
    AuthenticationError,
    CapacityError,
    NotFoundError,
    RequestTimeoutError,
    StreamInterruptedError,
)
from cf_llama.protocol.reply import Reply
from cf_llama_emulator.faults import read_plan

CALL = ["look_up", {"key": 7}]


def entry(**changes):
    return {
        "key": 7,
        "kind": "text",
        "fate": "plain",
        "faults": "",
        "again": False,
        "text": "k7 one",
        "calls": [],
        "counts": [3, 2],
    } | changes


def outcome(**changes):
    return Outcome(**{"key": 7, "kind": "text", "way": "stream", "whole": True, "counts": [3, 2]} | changes)


RIGHT = {"text": "k7 one", "shown": "k7 one"}
BROKE = StreamInterruptedError("broke", partial=Reply("k7 o"))


@pytest.mark.parametrize(
    ("got", "entries"),
    [
        (outcome(**RIGHT), [entry()]),
        (outcome(**RIGHT), [entry(fate="refused for now"), entry(fate="broken"), entry()]),
        (
            outcome(**RIGHT),
            [entry(fate="refused for now", faults="edge-limited"), *[entry(fate="broken")] * 2, entry()],
        ),
        (outcome(calls=[tuple(CALL)], ids=["a"]), [entry(text="", calls=[CALL])]),
        (outcome(kind="json", text='{"a": 1}', shown='{"a": 1}'), [entry(kind="json", text='{"a":1}')]),
        (outcome(whole=False, shown="k7", error=BROKE), [entry(fate="broken")]),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="refused", faults="error=10000")]),
        (outcome(whole=False, error=RequestTimeoutError("late")), [entry(fate="hanging")] * 3),
        (outcome(whole=False, shown="k7", leaves=True), [entry()]),
        (outcome(whole=False, leaves=True), []),
        (
            outcome(kind="forced", calls=[tuple(CALL)], ids=["a"], counts=[6, 4]),
            [entry(), entry(text="", calls=[CALL], again=True)],
        ),
        (outcome(**RIGHT, counts=None), [entry(faults="no-usage")]),
        (outcome(**RIGHT), [entry(fate="broken", faults="cut=event@40")]),
        (outcome(whole=False, error=CapacityError("busy")), [entry(fate="refused for now")] * 3),
        (
            outcome(whole=False, error=RequestTimeoutError("late", code=3046)),
            [entry(fate="refused for now")] * 2,
        ),
    ],
)
def test_the_judge_accepts_what_was_meant(got, entries):
    assert list(complaints(got, entries)) == []


@pytest.mark.parametrize(
    ("got", "entries", "complaint"),
    [
        (outcome(**RIGHT), [], "no request came"),
        (outcome(text="k7", shown="k7"), [entry()], "text 'k7' instead of"),
        (outcome(text="k7 one", shown="k7 onek7 one"), [entry()], "showed 'k7 onek7 one'"),
        (outcome(text="k8 one", shown="k8 one"), [entry()], "text 'k8 one' instead of"),
        (outcome(**RIGHT), [entry(calls=[CALL])], r"calls \[\] instead of"),
        (outcome(calls=[tuple(CALL)] * 2, ids=["a", "a"]), [entry(text="", calls=[CALL] * 2)], "ids"),
        (outcome(**RIGHT, counts=None), [entry()], r"counts None instead of \[3, 2\]"),
        (outcome(**RIGHT, counts=[3, 4]), [entry()], r"counts \[3, 4\] instead of \[3, 2\]"),
        (outcome(**RIGHT), [entry(fate="broken", faults="error-event=name@7")], "although the service told"),
        (outcome(**RIGHT), [entry(fate="refused")], "answered although refused"),
        (outcome(**RIGHT), [entry(), entry()], "asked again for no reason"),
        (outcome(**RIGHT), [entry(fate="broken")] * 4, "4 requests"),
        (
            outcome(**RIGHT),
            [entry(fate="refused for now", faults="edge-limited"), *[entry(fate="broken")] * 4],
            "5 requests",
        ),
        (outcome(**RIGHT, whole=False), [entry()], "ended without an end"),
        (outcome(whole=False, error=BROKE), [entry()], "failed although answered"),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="broken")], "a break became"),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="hanging")], "a hang became"),
        (outcome(whole=False, error=KeyError("x")), [entry(fate="broken")], "an error of another kind"),
        (outcome(whole=False, error=CapacityError("busy")), [entry(fate="refused for now")], "gave up after 1"),
        (outcome(whole=False, error=NotFoundError("no")), [entry(fate="refused for now")] * 3, "became final"),
        (
            outcome(whole=False, error=NotFoundError("no")),
            [entry(fate="refused", faults="error=2041")],
            "a refusal became NotFoundError",
        ),
        (
            outcome(whole=False, shown="k7 one", error=BROKE),
            [entry(fate="broken")],
            "partial 'k7 o' after 'k7 one'",
        ),
    ],
)
def test_the_judge_complains(got, entries, complaint):
    assert re.search(complaint, "\n".join(complaints(got, entries)))


def test_every_fate_and_fault_comes_and_is_known():
    drawn = [faults_of(1, key, 1, "call") for key in range(20_000)]
    assert {fate for fate, _ in drawn} == FATES.keys()
    assert drawn == [faults_of(1, key, 1, "call") for key in range(20_000)]
    everything = [*sum(HARMLESS, ()), *LEAKS, *REFUSED, *REFUSED_FOR_NOW, *BROKEN, *HANGING]
    for text in [*everything, *(faults for _, faults in drawn)]:
        read_plan(text)
    assert set(REFUSED) == REFUSALS.keys()
    seen = ", ".join(faults for _, faults in drawn)
    assert [fault for fault in everything if fault not in seen] == []


def marked(*held):
    run = Run(1000 * len(held))
    run.marks = [(1000 * (at + 1), Traces(3, 1, 1, blocks, megabytes)) for at, (blocks, megabytes) in enumerate(held)]
    return run


def test_growth_is_what_stays_from_the_second_quarter_on():
    steady = [(9000, 50.0), (700, 90.0), (720, 100.0), (790, 100.0), (700, 101.0), (730, 104.0), (710, 100.0)]
    assert marked(*steady, (100, 100.0)).growth() == pytest.approx((0.0, 0.0), abs=2.1)
    leaking = [(1000 * at, 10.0 * at) for at in range(1, 21)]
    assert marked(*leaking).growth() == pytest.approx((1.0, 10.0))
    assert marked((5, 5.0)).growth() == (0.0, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_meaning_depends_on_key_and_kind_alone(kind):
    assert meaning(3, kind) == meaning(3, kind)
    if kind != "empty":
        assert meaning(3, kind) != meaning(5, kind)
        assert "3" in str(meaning(3, kind))


def test_a_short_run_finds_nothing_wrong():
    command = [sys.executable, "-m", "benchmarks.chaos", "--calls", "150", "--seed", "3"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)  # noqa: S603 - our own module
    assert run.returncode == 0, run.stdout + run.stderr
    assert "wrong     0\nleft      nothing\n" in run.stdout
    assert run.stderr == ""
