"""Every statement holds on the emulator."""

from cf_llama.config.settings import Settings
from cf_llama.verify.client import Client
from cf_llama.verify.experiment import Outcome
from cf_llama.verify.experiments import EXPERIMENTS
from cf_llama.verify.runner import estimate, run_experiments


def test_every_statement_holds(emulator):
    with Client(Settings().connection()) as client:
        verdicts = list(run_experiments(EXPERIMENTS, client.send))
    assert [(experiment.name, verdict.seen) for experiment, verdict in verdicts if verdict.switch] == []
    assert {verdict.outcome for _, verdict in verdicts} == {Outcome.AS_EXPECTED}
    assert len(verdicts) >= 25


def test_names_and_statements_are_unique_and_short():
    assert len({experiment.name for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
    assert len({experiment.statement for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
    for experiment in EXPERIMENTS:
        assert experiment.statement.endswith(".")
        assert len(experiment.statement) <= 110


def test_it_costs_less_than_a_cent(emulator):
    requests, tokens_in, tokens_out, dollars = estimate(EXPERIMENTS)
    with Client(Settings().connection()) as client:
        list(run_experiments(EXPERIMENTS, client.send))
    assert requests == len(emulator.requests)
    assert min(tokens_in, tokens_out) > 0
    assert 0 < dollars < 0.01
