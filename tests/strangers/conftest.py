"""Clients of the service that nobody here wrote, as their own documentation uses them, on the emulator.

They are installed by `make strangers` and deselected elsewhere.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks a host for prices

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


class Caller(StrEnum):
    RED = "red"
    BLUE = "blue"


class Owner(BaseModel):
    name: str
    town: str | None = None


class Bicycle(BaseModel):
    """A bicycle."""

    caller: Caller
    gears: int
    owner: Owner


BICYCLE = {"caller": "red", "gears": 7, "owner": {"name": "Tom", "town": None}}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"anyOf": [{"type": "integer"}]}}}
"""As people write them: no descriptions, a union, nothing required."""
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "bicycle", "parameters": Bicycle.model_json_schema()}},
    {"type": "function", "function": {"name": "now"}},
]


def pytest_ignore_collect(config):
    """Leave the files alone unless they are asked for: what they import is not installed everywhere."""
    return None if config.option.markexpr == "strangers" else True


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.strangers)


@pytest.fixture(params=["native", "hybrid"])
def shape(request, cf_llama_emulator):
    """The shape in which the service answers on its own route."""
    cf_llama_emulator.always(f"shape={request.param}")
    return request.param


@pytest.fixture
def openai_base_url(cf_llama_emulator):
    """The route for OpenAI's clients."""
    return f"{cf_llama_emulator.base_url}/accounts/{cf_llama_emulator.account_id}/ai/v1"
