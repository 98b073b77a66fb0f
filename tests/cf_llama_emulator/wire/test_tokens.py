"""Estimates of tokens and price."""

import pytest

from cf_llama_emulator.wire.engine_protocol import EngineRequest, Tool
from cf_llama_emulator.wire.tokens import estimate, estimate_input, neurons
from tests.cf_llama_emulator.client import ask_user, tool


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("äöü€", 1)])
def test_four_characters_are_a_token(text, tokens):
    assert estimate(text) == tokens


def test_neurons_of_recorded_answers():
    # Two recorded answers of this model give tokens and neurons.
    assert neurons(388, 63) == pytest.approx(23.24979019165039, rel=1e-6)
    assert neurons(0, 1) == pytest.approx(0.20480532944202423)


def test_input_counts_texts_calls_tools_and_schema():
    call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    bare = EngineRequest(model="m", messages=[{"role": "user", "content": "a" * 40}])
    more = [
        EngineRequest(model="m", messages=[*bare.messages, {"role": "assistant", "content": "", "tool_calls": [call]}]),
        EngineRequest(model="m", messages=bare.messages, tools=[Tool("f", "d", {"type": "object"})]),
        EngineRequest(model="m", messages=bare.messages, response_format={"type": "json_object"}),
    ]
    assert estimate_input(bare) == 10
    assert all(estimate_input(ask) > 14 for ask in more)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x" * 40_000},
        {"messages": [{"role": "system", "content": "x" * 20_000}, {"role": "user", "content": "x" * 20_000}]},
    ],
)
def test_input_and_max_tokens_share_the_window(rules, body):
    assert rules.run(body | {"max_tokens": 14_000}).status_code == 200
    refused = rules.run(body | {"max_tokens": 14_001})
    assert refused.status_code == 413
    [error] = refused.json()["errors"]
    assert error["code"] == 5021
    expected = (
        "The estimated number of input and maximum output tokens (24001) "
        "exceeded this model context window limit (24000)."
    )
    assert expected in error["message"]


def test_the_default_of_256_counts_too(rules):
    assert rules.run({"prompt": "x" * 4 * (24_000 - 256)}).status_code == 200
    assert rules.run({"prompt": "x" * (4 * (24_000 - 256) + 1)}).status_code == 413


def test_tools_count(rules):
    offered = [tool("f", "d" * 96_000, a="string")]
    assert rules.run(ask_user("Hello", tools=offered)).status_code == 413


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_answers_are_cut_at_256_tokens_unless_told_otherwise(rules, shape):
    body = ask_user("word " * 2_000)
    for limit, given in ((256, {}), (300, {"max_tokens": 300}), (1, {"max_tokens": 1})):
        whole = rules.result(body | given, x_emulator_shape=shape)
        events = rules.events(body | given, x_emulator_shape=shape)
        assert whole["usage"]["completion_tokens"] == limit
        assert events[-1]["usage"]["completion_tokens"] == limit
        if shape != "native":
            assert whole["choices"][0]["finish_reason"] == "length"
