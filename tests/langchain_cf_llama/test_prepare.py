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
        {"google_search": {}},
    ],
)
def test_a_tool_that_another_provider_runs_is_refused_by_its_type(tool):
    kind = tool.get("type", "google_search")
    with pytest.raises(InvalidRequestError, match=rf"tools\[0\] is a tool of type '{kind}'.*give a function"):
        definitions([tool])


def test_a_tool_that_takes_text_in_place_of_arguments_is_refused():
    with pytest.raises(InvalidRequestError, match=r"tools\[0\] is the custom tool 'run'.*argument of type str"):
        definitions([{"type": "custom", "name": "run", "description": "Runs Python."}])


def test_a_type_that_is_no_text_is_refused():
    with pytest.raises(InvalidRequestError, match=r"tools\[0\] is a tool of type \['object', 'null'\]"):
        definitions([{"type": ["object", "null"], "title": "f", "properties": {}}])


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "custom", "name": "f", "input_schema": {"type": "object", "properties": {}}},
        {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        {"type": "object", "title": "f", "properties": {}},
    ],
    ids=["Anthropic", "Bedrock", "JSON schema"],
)
def test_definitions_of_other_providers_are_read(tool):
    [definition] = definitions([tool])
    assert definition["function"]["name"] == "f"
