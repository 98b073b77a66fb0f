"""An emulator with a playground."""

import httpx
import pytest

from cf_llama_emulator.server import serve


@pytest.fixture(scope="module")
def emulator():
    with serve(playground=True) as running:
        yield running


@pytest.fixture(scope="module")
def page(emulator):
    """A client of the page's own address."""
    with httpx.Client(base_url=emulator.playground_url) as client:
        yield client
