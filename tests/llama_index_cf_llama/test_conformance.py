"""The conformance suite: the model passes it in each shape and mode, and a model that does not conform fails it."""

from typing import Any, ClassVar

import pytest

from cf_llama_emulator.server import serve
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN
from llama_index_cf_llama.conformance import LLMConformance
from tests.llama_index_cf_llama.conftest import model


@pytest.fixture(scope="module")
def emulators():
    """The rule engine in each shape."""
    with serve(shape="native") as native, serve(shape="hybrid") as hybrid:
        yield {"native": native, "hybrid": hybrid}


class TestNative(LLMConformance):
    shape = "native"
    fields: ClassVar[dict[str, Any]] = {}
    secrets = (API_TOKEN, ACCOUNT_ID)

    @pytest.fixture
    def llm(self, emulators):
        return model(emulators[self.shape], **self.fields)


class TestHybrid(TestNative):
    shape = "hybrid"


class TestBySchema(TestNative):
    fields: ClassVar = {"should_use_structured_outputs": True}


class TestAsPrompt(TestNative):
    fields: ClassVar = {"complete_as": "prompt"}
