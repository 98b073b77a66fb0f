"""Tests of what LlamaIndex's chains, agents and query engines expect of an LLM, for any LLM.

LlamaIndex publishes no such tests. To test your model, with pytest installed:

    class TestMyModel(LLMConformance):
        secrets = ("the-key-used-below",)

        @pytest.fixture
        def llm(self):
            return MyModel(api_key="the-key-used-below", temperature=0)

The docstring of each test names what depends on it. Behaviour is tested sync and async. You can test a live model: the
requests are simple, and no test compares the wording of an answer. Tests of this package's own model belong in
`tests/`.
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
    """All suites; for usage see the module."""


__all__ = ["ChatConformance", "ComponentConformance", "LLMConformance", "StructuredConformance", "ToolConformance"]
