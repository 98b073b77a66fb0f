"""The two integrations say the same of the same bytes, and send the same bytes for the same question."""

import subprocess
import sys

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock

from cf_llama import InvalidRequestError
from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server.threaded import serve
from cf_llama_emulator.wire.engine_protocol import Raw
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama
from llama_index_cf_llama.responses import tool_selections

TOOLS = [
    {
        "name": name,
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"port": {"type": "integer", "description": "A port"}}},
    }
    for name in ("get_status", "look", "add")
]
CONVERSATION = [
    (SystemMessage("Be brief."), ChatMessage(role="system", content="Be brief.")),
    (HumanMessage("Zürich?"), ChatMessage(role="user", content="Zürich?")),
    (
        AIMessage("Let me see.", tool_calls=[{"name": "look", "args": {"ort": "Zürich", "n": 1}, "id": "call_1"}]),
        ChatMessage(
            role="assistant",
            blocks=[
                TextBlock(text="Let me see."),
                ToolCallBlock(tool_call_id="call_1", tool_name="look", tool_kwargs={"ort": "Zürich", "n": 1}),
            ],
        ),
    ),
    (
        ToolMessage("Rain.", tool_call_id="call_1", name="look"),
        ChatMessage(role="tool", content="Rain.", additional_kwargs={"tool_call_id": "call_1"}),
    ),
]


def integrations(emulator, **settings):
    account = {"base_url": emulator.base_url, "account_id": emulator.account_id, "api_token": emulator.api_token}
    return (kind(**account, max_retries=0, **settings) for kind in (ChatCloudflareLlama, CloudflareLlama))


def test_the_same_bytes_are_the_same_answer(recorded):
    names = [path.name for path in recorded.iterdir() if not path.name.startswith(("error-", "failure-", "README"))]
    names.remove("end-truncated.sse")
    answers = [Raw(200, {"content-type": _type(name)}, [(recorded / name).read_bytes()]) for name in names]
    with serve(ScriptEngine([answer for answer in answers for _ in range(2)])) as emulator:
        chain, index = integrations(emulator)
        for name in names:
            assert _by_langchain(chain, name) == _by_llama_index(index, name), name


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_same_question_is_the_same_body(streamed):
    with serve(ScriptEngine(["Wet.", "Wet."])) as emulator:
        chain, index = integrations(emulator, temperature=0.5, seed=7, stop=["END"])
        langchain, llama_index = zip(*CONVERSATION, strict=True)
        bound = chain.bind_tools(TOOLS, tool_choice="auto")
        asked = {"tools": TOOLS, "tool_choice": "auto"}
        if streamed:
            list(bound.stream(list(langchain)))
            list(index.stream_chat(list(llama_index), **asked))
        else:
            bound.invoke(list(langchain))
            index.chat(list(llama_index), **asked)
        first, second = (seen.body for seen in emulator.requests)
    assert first == second


def test_one_answer_to_a_request_is_taken_for_granted_and_more_are_refused():
    with serve(ScriptEngine(["Wet.", "Wet."])) as emulator:
        chain, index = integrations(emulator)
        assert chain.invoke("Zürich?", n=1).text == index.complete("Zürich?", n=1).text == "Wet."
        for ask in (chain.invoke, index.complete):
            with pytest.raises(InvalidRequestError, match="n: a request has one answer, not 2"):
                ask("Zürich?", n=2)
        assert [("n" in seen.body) for seen in emulator.requests] == [False, False]


def test_extra_headers_of_a_call_come_on_top_of_those_of_every_call():
    with serve(ScriptEngine(["Wet."] * 4)) as emulator:
        models = integrations(emulator, default_headers={"x-tenant": "ours", "x-other": "kept"})
        for ask in [each for chain, index in [models] for each in (chain.invoke, index.complete)]:
            ask("Zürich?", extra_headers={"X-Tenant": "theirs", "anthropic-beta": "caching"})
            ask("Zürich?", extra_headers=None)
            with pytest.raises(InvalidRequestError, match="extra_headers must be a mapping"):
                ask("Zürich?", extra_headers="x-tenant: theirs")
        names = ("x-tenant", "x-other", "anthropic-beta")
        sent = [tuple(seen.headers.get(name) for name in names) for seen in emulator.requests]
        assert sent == [("theirs", "kept", "caching"), ("ours", "kept", None)] * 2


def _type(name):
    return "text/event-stream" if name.endswith(".sse") else "application/json"


def _by_langchain(chain, name):
    bound = chain.bind_tools(TOOLS)
    if name.endswith(".sse"):
        chunks = list(bound.stream("?"))
        message = sum(chunks[1:], chunks[0])
    else:
        message = bound.invoke("?")
    usage = message.usage_metadata
    counts = (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) if usage else None
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    return message.content, calls, counts, message.response_metadata["finish_reason"]


def _by_llama_index(index, name):
    question = [ChatMessage(role="user", content="?")]
    if name.endswith(".sse"):
        response = list(index.stream_chat(question, tools=TOOLS))[-1]
    else:
        response = index.chat(question, tools=TOOLS)
    usage = response.raw.get("usage")
    counts = (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) if usage else None
    calls = [(call.tool_name, call.tool_kwargs) for call in tool_selections(response.message)]
    return response.message.content, calls, counts, response.raw["finish_reason"]


@pytest.mark.parametrize("integration", ["langchain_cf_llama", "llama_index_cf_llama"])
def test_an_integration_imports_nothing_that_not_every_program_needs(integration):
    program = f"""
import sys, {"llama_index.core.llms.function_calling" if integration.startswith("llama") else "langchain_core"}
before = set(sys.modules)
import {integration}
print(*sys.modules.keys() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    loaded = done.stdout.split()
    assert integration in loaded
    assert not {"httpx", "sqlite3", "cf_llama.batch", "cf_llama.transport.http.clients", "ray", "starlette"} & set(
        loaded
    )
