from __future__ import annotations

from collections.abc import Iterator

import pytest

from cf_llama_emulator.server.threaded import RunningEmulator, serve
from langchain_cf_llama import ChatCloudflareLlama
from tests.langchain_cf_llama.support import Async, Stage, Sync, settings_for


@pytest.fixture(scope="session")
def native() -> Iterator[RunningEmulator]:
    with serve(shape="native") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def hybrid() -> Iterator[RunningEmulator]:
    with serve(shape="hybrid") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def openai() -> Iterator[RunningEmulator]:
    with serve(shape="openai") as emulator:
        yield emulator


@pytest.fixture
def llm(native: RunningEmulator) -> ChatCloudflareLlama:
    """A model that answers by rule."""
    return ChatCloudflareLlama(**settings_for(native))


@pytest.fixture(params=["native", "hybrid", "openai"])
def shape(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def stages() -> Iterator[dict[str, Stage]]:
    """Emulators are started once: a start and a stop take longer than most tests."""
    stages = {shape: Stage(shape) for shape in ("native", "hybrid", "openai")}
    yield stages
    for stage in stages.values():
        stage.emulator.close()


@pytest.fixture
def stage(stages: dict[str, Stage], shape: str) -> Stage:
    return stages[shape].cleared()


@pytest.fixture
def native_stage(stages: dict[str, Stage]) -> Stage:
    return stages["native"].cleared()


@pytest.fixture(params=[Sync(), Async()], ids=["sync", "async"])
def caller(request) -> Sync:
    return request.param
