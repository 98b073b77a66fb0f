"""The service itself, where an account is set: what no emulator can vouch for."""

import asyncio

import pytest

from cf_llama import (
    AuthenticationError,
    ChatRequest,
    ContextOverflowError,
    Gateway,
    InvalidRequestError,
    NotFoundError,
    Settings,
    Transport,
)
from cf_llama.batch import Batch, BatchOptions
from cf_llama.protocol import tokens
from cf_llama.protocol.chat_template import render

pytestmark = pytest.mark.live

DIGITS = [{"role": "user", "content": "Count from 1 to 30, separated by single spaces, and write nothing else."}]
ADD = {
    "name": "add",
    "description": "Add two integers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def transport(**changes):
    settings = Settings(**changes)
    return Transport(settings.connection())


def four_ways(request):
    async def apart():
        return [await transport().arun(request), [delta async for delta in transport().astream(request)][-1].reply]

    return [transport().run(request), list(transport().stream(request))[-1].reply, *asyncio.run(apart())]


def test_no_digit_is_lost():
    for reply in four_ways(ChatRequest(messages=DIGITS, temperature=0)):
        assert reply.text.split() == [str(number) for number in range(1, 31)]
        assert reply.usage
        assert reply.usage.prompt_tokens > 0
        assert reply.finish_reason == "stop"


def test_a_forced_call_comes():
    question = [{"role": "user", "content": "What is 3 plus 4?"}]
    for reply in four_ways(ChatRequest(messages=question, tools=[ADD], tool_choice="add")):
        assert reply.tool_calls[0].arguments == {"a": 3, "b": 4}
        assert reply.tool_calls[0].id


def test_a_call_in_the_history_is_taken_back():
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 3, "b": 4}'}}
    history = [
        {"role": "user", "content": "What is 3 plus 4? Use the tool."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": "add", "content": "7"},
    ]
    assert "7" in transport().run(ChatRequest(messages=history, tools=[ADD])).text


def test_json_mode_takes_the_bare_schema():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    request = ChatRequest(
        messages=[{"role": "user", "content": "Lyon is a city in France. Which city is spoken of?"}],
        response_format={"type": "json_schema", "json_schema": schema},
    )
    assert '"Lyon"' in transport().run(request).text


def test_an_answer_that_hits_its_limit_says_so():
    assert {reply.finish_reason for reply in four_ways(ChatRequest(messages=DIGITS, max_tokens=5))} == {"length"}


def test_a_prompt_is_completed():
    assert transport().run(ChatRequest(prompt="The capital of France is", max_tokens=20)).text


def test_the_template_of_the_core_is_the_model_s_own():
    question = [{"role": "user", "content": "What is the capital of France? Answer with its name alone."}]
    raw = transport().run(ChatRequest(prompt=render(question), raw=True, max_tokens=20))
    assert raw.text.strip(" .") == "Paris"
    assert raw.finish_reason == "stop"


def test_tokens_are_counted_as_they_are_billed():
    reply = transport().run(ChatRequest(messages=DIGITS, max_tokens=5))
    assert reply.usage.prompt_tokens == pytest.approx(tokens.count_messages(DIGITS), abs=5)


@pytest.mark.parametrize("items", ["prompt", "auto"])
def test_a_batch_is_answered(items):
    names = {"France": "Paris", "Japan": "Tokyo", "Peru": "Lima"}
    asked = [
        ChatRequest(messages=[{"role": "user", "content": f"The capital of {country}? Its name alone."}], max_tokens=20)
        for country in names
    ]
    batch = Batch(transport(), BatchOptions(items=items))
    outcomes = batch.run(asked, list(names))
    assert {outcome.reference: outcome.reply.text.strip(" .") for outcome in outcomes} == names
    assert batch.usage.total_tokens > 0


def test_a_gateway_says_whether_it_answered_itself():
    asked = ChatRequest(messages=DIGITS, seed=7, max_tokens=10)
    replies = [transport(gateway=Gateway(id="default", cache_ttl=300)).run(asked) for _ in range(2)]
    assert replies[-1].response_metadata.cache_status in {"HIT", "MISS"}
    assert replies[-1].response_metadata.gateway_log_id


@pytest.mark.parametrize(
    ("changes", "request_changes", "error"),
    [
        ({"api_token": "x" * 40}, {}, AuthenticationError),
        ({}, {"model": "@cf/meta/no-such-model"}, NotFoundError),
        ({}, {"messages": [{"role": "user", "content": "word " * 30_000}]}, ContextOverflowError),
        ({}, {"tool_choice": "required", "tools": [ADD], "max_tokens": 1}, InvalidRequestError),
    ],
)
def test_errors_are_told_apart(changes, request_changes, error):
    with pytest.raises(error):
        transport(**changes).run(ChatRequest(**{"messages": DIGITS} | request_changes))
