"""What LlamaIndex's chains, agents and query engines expect of an LLM, as tests for any LLM.

LlamaIndex publishes no such tests. To put a model through these, with pytest installed:

    class TestMyModel(LLMConformance):
        secrets = ("the-key-used-below",)

        @pytest.fixture
        def llm(self):
            return MyModel(api_key="the-key-used-below", temperature=0)

Each test says in a sentence what depends on it. Each behaviour is tested in both colours. The model may be a real one:
what is asked of it is simple, and nothing is compared with words it has to find.
"""

import pytest

pytest.register_assert_rewrite(
    f"{__name__}.chat", f"{__name__}.tools", f"{__name__}.structured", f"{__name__}.component"
)

from llama_index_cf_llama.conformance.chat import ChatConformance  # noqa: E402 - assertions are rewritten at import
from llama_index_cf_llama.conformance.component import ComponentConformance  # noqa: E402 - as above
from llama_index_cf_llama.conformance.structured import StructuredConformance  # noqa: E402 - as above
from llama_index_cf_llama.conformance.tools import ToolConformance  # noqa: E402 - as above


class LLMConformance(ChatConformance, ToolConformance, StructuredConformance, ComponentConformance):
    """All of it; see the module for how to use it."""


__all__ = ["ChatConformance", "ComponentConformance", "LLMConformance", "StructuredConformance", "ToolConformance"]
