"""The conformance suite against the service itself."""

import pytest

from llama_index_cf_llama import CloudflareLlama
from llama_index_cf_llama.conformance import LLMConformance


@pytest.mark.live
class TestService(LLMConformance):
    deterministic = False  # nothing promises the same words twice

    @pytest.fixture
    def llm(self):
        return CloudflareLlama(temperature=0)
