"""The chaos run itself: it can run, it is the same each time, and its judge lets nothing pass."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.calls import Outcome
from benchmarks.chaos.judge import complaints
from benchmarks.chaos.meaning import KINDS, meaning
from benchmarks.chaos.service import BROKEN, FATES, HANGING, HARMLESS, LEAKS, REFUSED, REFUSED_FOR_NOW, faults_of
from cf_llama.errors import AuthenticationError, RequestTimeoutError, StreamInterruptedError
from cf_llama.reply import Reply
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
    } | changes


def outcome(**changes):
    return Outcome(**{"key": 7, "kind": "text", "way": "stream", "whole": True, "tokens": 2} | changes)


RIGHT = {"text": "k7 one", "shown": "k7 one"}
BROKE = StreamInterruptedError("broke", partial=Reply("k7 o"))


@pytest.mark.parametrize(
    ("got", "entries"),
    [
        (outcome(**RIGHT), [entry()]),
        (outcome(**RIGHT), [entry(fate="refused for now"), entry(fate="broken"), entry()]),
        (outcome(calls=[tuple(CALL)], ids=["a"]), [entry(text="", calls=[CALL])]),
        (outcome(kind="json", text='{"a": 1}', shown='{"a": 1}'), [entry(kind="json", text='{"a":1}')]),
        (outcome(whole=False, shown="k7", error=BROKE), [entry(fate="broken")]),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="refused")]),
        (outcome(whole=False, error=RequestTimeoutError("late")), [entry(fate="hanging")]),
        (outcome(whole=False, shown="k7", leaves=True), [entry()]),
        (outcome(whole=False, leaves=True), []),
        (outcome(kind="forced", calls=[tuple(CALL)], ids=["a"]), [entry(), entry(text="", calls=[CALL], again=True)]),
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
        (outcome(**RIGHT, tokens=None), [entry()], "no counts"),
        (outcome(**RIGHT), [entry(fate="refused")], "answered although refused"),
        (outcome(**RIGHT), [entry(), entry()], "asked again for no reason"),
        (outcome(**RIGHT), [entry(fate="broken")] * 4, "4 requests"),
        (outcome(**RIGHT, whole=False), [entry()], "ended without an end"),
        (outcome(whole=False, error=BROKE), [entry()], "failed although answered"),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="broken")], "a break became"),
        (outcome(whole=False, error=AuthenticationError("no")), [entry(fate="hanging")], "a hang became"),
        (outcome(whole=False, error=KeyError("x")), [entry(fate="broken")], "an error of another kind"),
        (outcome(whole=False, shown="k7 one", error=BROKE), [entry(fate="broken")], "partial 'k7 o' after 'k7 one'"),
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
    seen = ", ".join(faults for _, faults in drawn)
    assert [fault for fault in everything if fault not in seen] == []


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
