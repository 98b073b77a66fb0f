"""What the page is told."""

import pytest

from cf_llama.protocol import model
from cf_llama_emulator.faults import combined
from cf_llama_emulator.playground.config import page_config, parameters
from cf_llama_emulator.settings import Settings

CONFIG = page_config(Settings(), "rule")


def test_the_price_is_the_published_one():
    price = CONFIG["dollars_per_million"]
    assert price["input"] / 1e6 == pytest.approx(model.DOLLARS_PER_INPUT_TOKEN)
    assert price["output"] / 1e6 == pytest.approx(model.DOLLARS_PER_OUTPUT_TOKEN)


def test_every_parameter_has_the_range_of_the_models_page():
    told = {parameter["name"]: parameter for parameter in parameters()}
    assert told.keys() == model.RANGES.keys()
    for name, known in model.RANGES.items():
        if name != "max_tokens":
            assert (told[name]["minimum"], told[name]["maximum"]) == (known.low, known.high)
    assert (told["temperature"]["default"], told["max_tokens"]["default"]) == (0.6, 256)


def test_every_fault_that_is_offered_is_one():
    names = [fault["name"] for fault in CONFIG["faults"]]
    assert len(names) > 60
    assert not [name for name in names if name.startswith("queue")]
    combined(names)


def test_an_emulator_that_takes_any_account_still_names_one():
    config = page_config(Settings(account_id=None, api_token=None), "rule")
    assert len(config["account_id"]) == 32
    assert config["api_token"]
