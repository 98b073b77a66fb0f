from __future__ import annotations

import pytest

from cf_llama import InvalidRequestError
from langchain_cf_llama.prepare import definitions


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "x", "server_url": "https://example.com"},
    ],
)
def test_a_tool_that_another_provider_runs_is_refused_by_its_type(tool):
    with pytest.raises(InvalidRequestError, match=rf"tools\[0\] is a tool of type '{tool['type']}'.*give a function"):
        definitions([tool])
