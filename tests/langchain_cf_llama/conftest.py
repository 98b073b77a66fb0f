from __future__ import annotations

from collections.abc import Iterator

import pytest
from cf_llama_emulator.server import RunningEmulator, serve

from langchain_cf_llama import ChatCloudflareLlama


def model(emulator: RunningEmulator, **settings) -> ChatCloudflareLlama:
    return ChatCloudflareLlama(
        **{
            "base_url": emulator.base_url,
            "account_id": emulator.account_id,
            "api_token": emulator.api_token,
            "max_retries": 0,
            **settings,
        }
    )


@pytest.fixture(scope="session")
def native() -> Iterator[RunningEmulator]:
    with serve(shape="native") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def hybrid() -> Iterator[RunningEmulator]:
    with serve(shape="hybrid") as emulator:
        yield emulator
