"""Verify can fail: every fault of the catalogue that shows here turns exactly the statements that it contradicts."""

import time

import pytest

from cf_llama.config.settings import Settings
from cf_llama.verify.client import Client
from cf_llama.verify.experiment import Outcome
from cf_llama.verify.experiments import EXPERIMENTS
from cf_llama.verify.report import combine
from cf_llama.verify.runner import run_experiments
from cf_llama_emulator.faults import combined
from cf_llama_emulator.faults.catalogue import CATALOGUE
from cf_llama_emulator.faults.values import OneOf
from cf_llama_emulator.testing.scripted import ScriptedEmulator
from tests.cf_llama.verify.fault_table import (
    BY_CHANCE,
    DAMAGED,
    EVERYTHING,
    LOCAL,
    REFUSED,
    TURNS,
    UNAVAILABLE,
    UNKNOWN_MODEL,
    UNSEEN,
    UNTESTABLE,
)


@pytest.fixture(scope="module")
def emulator():
    with ScriptedEmulator() as running:
        yield running


@pytest.fixture
def verified(emulator):
    """Return the verdicts by name, of an emulator with faults."""

    def verify(faults):
        emulator.cleared().always(faults)
        account = {"account_id": emulator.account_id, "api_token": emulator.api_token}
        timeout = 1 if "hang" in faults else 60
        connection = Settings(base_url=emulator.base_url, timeout=timeout, **account).connection()
        with Client(connection) as client:
            run = run_experiments(EVERYTHING, client.send, lambda seconds: time.sleep(seconds / 1000))
            return {experiment.name: verdict for experiment, verdict in run}

    return verify


def turned(verdicts, outcome=Outcome.DIFFERS):
    return {name for name, verdict in verdicts.items() if verdict.outcome == outcome}


def switches(verdicts):
    return sorted(combine(verdict.switch for verdict in verdicts.values()))


@pytest.mark.parametrize("faults", TURNS)
def test_a_fault_turns_what_it_contradicts_and_is_named(verified, faults):
    verdicts = verified(faults)
    assert turned(verdicts) == TURNS[faults], verdicts
    assert {str(combined([", ".join(switches(verdicts))]))} == {str(combined([", ".join(sorted(faults.split(", ")))]))}


@pytest.mark.parametrize("faults", ["", "shape=hybrid"])
def test_every_statement_can_be_tested_in_either_shape(verified, faults):
    assert turned(verified(faults), Outcome.NOT_TESTABLE) == set()


@pytest.mark.parametrize("faults", DAMAGED)
def test_damage_turns_what_it_contradicts(verified, faults):
    verdicts = verified(faults)
    assert turned(verdicts) == DAMAGED[faults]
    assert switches(verdicts) == []


@pytest.mark.parametrize("faults", BY_CHANCE)
def test_what_happens_by_chance_is_named(verified, faults):
    tries = (verified(faults) for _ in range(20))
    verdicts = next(each for each in tries if BY_CHANCE[faults] <= turned(each))
    assert faults in switches(verdicts)


@pytest.mark.parametrize("faults", UNAVAILABLE)
def test_what_cannot_be_asked_contradicts_nothing(verified, faults):
    verdicts = verified(faults)
    assert turned(verdicts) <= {"refusal-status"} if "status" in faults else turned(verdicts) == set()
    assert len(turned(verdicts, Outcome.NOT_TESTABLE)) > len(EXPERIMENTS) / 2


@pytest.mark.parametrize("faults", REFUSED)
def test_a_refusal_contradicts_what_is_said_of_answers(verified, faults):
    verdicts = verified(faults)
    assert len(turned(verdicts)) > len(EXPERIMENTS) / 2
    assert switches(verdicts) == []
    assert not turned(verdicts) & (LOCAL | UNKNOWN_MODEL)


@pytest.mark.parametrize("faults", dict.fromkeys([*UNSEEN, *UNTESTABLE]))
def test_what_cannot_show_turns_nothing(verified, faults):
    verdicts = verified(faults)
    assert turned(verdicts) == set()
    assert turned(verdicts, Outcome.NOT_TESTABLE) == UNTESTABLE.get(faults, set())


def test_every_fault_and_every_choice_of_one_has_its_place():
    placed = {}
    for text in (*TURNS, *BY_CHANCE, *DAMAGED, *UNAVAILABLE, *REFUSED, *UNSEEN, *UNTESTABLE):
        for name, value in combined([text]).values.items():
            placed.setdefault(name, set()).add(str(value).partition("@")[0])
    assert placed.keys() == CATALOGUE.keys()
    for name, fault in CATALOGUE.items():
        if isinstance(fault.takes, OneOf):
            assert placed[name] == set(fault.takes.words), name


def test_every_named_fault_is_in_the_catalogue():
    named = [switch for experiment in EVERYTHING for switch in experiment.switches.values()]
    for switch in named:
        assert {part.partition("=")[0] for part in switch.split(", ")} <= CATALOGUE.keys()
