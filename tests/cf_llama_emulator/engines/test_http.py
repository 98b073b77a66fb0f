"""The HTTP engine against servers that speak chat completions: bodies asked, events read, failures made clean."""

import asyncio
import json
import socket
from dataclasses import replace

import pytest

from cf_llama_emulator.engines.http import HttpEngine, request_body
from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Raw, Text, Tool
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import MODEL, Client, ask_user, tool

ASK = EngineRequest(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=9)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
COMMON = {"model": "qwen", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 9}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
FUNCTION = {"name": "add", "description": "adds", "parameters": SCHEMA}


def engine_for(client):
    """Return an engine whose server is the OpenAI-compatible route of `client`'s emulator."""
    return HttpEngine(f"{client.account}/ai/v1/", MODEL, client.emulator.api_token)


async def answer(engine, ask=ASK):
    return [piece async for piece in engine.answer(ask)]


def sse(*events, done=True):
    """Return a stream of these events; a text goes out as it is."""
    payloads = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return Raw(chunks=[f"data: {payload}\n\n".encode() for payload in [*payloads, *["[DONE]"] * done]])


def delta(finish_reason=None, **changes):
    return {"choices": [{"index": 0, "delta": changes, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    ("changes", "path", "body"),
    [
        ({}, "/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ({"messages": (), "prompt": "Hi"}, "/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ({"messages": (), "prompt": "Hi", "raw": True}, "/completions", {"prompt": "Hi"}),
        (
            {"sampling": {"temperature": 0.5, "seed": 7}},
            "/chat/completions",
            {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "seed": 7},
        ),
        (
            {"response_format": {"type": "json_object"}},
            "/chat/completions",
            {"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_object"}},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
            "/chat/completions",
            {
                "messages": [{"role": "user", "content": "Hi"}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
            },
        ),
    ],
)
def test_the_request_asks_the_same_in_openais_words(changes, path, body):
    ask = EngineRequest(**({"model": "m", "messages": ASK.messages, "max_tokens": 9} | changes))
    assert request_body(ask, "qwen") == (path, COMMON | body)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {}),
        ("none", {"tool_choice": "none"}),
        ("required", {"tool_choice": "required"}),
        ("add", {"tool_choice": {"type": "function", "function": {"name": "add"}}}),
    ],
)
def test_tools_are_passed_through(choice, sent):
    ask = EngineRequest(model="m", messages=(), tools=[Tool("add", "adds", SCHEMA)], tool_choice=choice, max_tokens=9)
    tools = [{"type": "function", "function": FUNCTION}]
    assert request_body(ask, "qwen")[1] == COMMON | {"messages": [], "tools": tools} | sent


async def test_text_usage_and_reason_come_through(script):
    client = script(["Hel", "lo"])
    assert await answer(engine_for(client)) == [Text("Hel"), Text("lo"), End("stop", 1, 2)]
    [seen] = client.emulator.requests
    assert seen.path.endswith("/ai/v1/chat/completions")
    assert seen.headers["authorization"] == "Bearer emulator-token"


async def test_calls_are_put_together_from_their_fragments(script):
    calls = [Call("add", {"a": 1, "b": "long enough for fragments"}, "x"), Call("add", "{broken", "y")]
    ask = replace(ASK, max_tokens=99)
    assert (await answer(engine_for(script(["Wait.", *calls])), ask))[1:3] == calls


@pytest.mark.parametrize(
    ("events", "pieces"),
    [
        # vLLM: usage in an event of its own, without choices
        (
            [delta(role="assistant", content=""), delta(content="Hi\u2028you"), delta("length"), USAGE],
            [Text("Hi\u2028you"), End("length", 3, 4)],
        ),
        # Ollama: a whole call in one event, index and usage missing
        (
            [delta(tool_calls=[{"id": "c", "function": {"name": "add", "arguments": "{}"}}]), delta("tool_calls")],
            [Call("add", {}, "c"), End("stop")],
        ),
        # text completions
        ([{"choices": [{"text": "a"}]}, {"choices": [{"text": "", "finish_reason": "stop"}]}], [Text("a"), End()]),
        # Workers AI: digits as a number
        ([delta(content="It is "), delta(content=0), delta("stop")], [Text("It is "), Text("0"), End("stop")]),
        ([delta(content=None), delta("stop", content="a")], [Text("a"), End("stop")]),
    ],
)
async def test_events_of_known_servers(script, events, pieces):
    assert await answer(engine_for(script(sse(*events)))) == pieces


async def test_comments_and_cuts_inside_characters_do_no_harm(script):
    whole = b": hello\r\n\r\ndata: " + json.dumps(delta("stop", content="né")).encode() + b"\r\n\r\ndata:[DONE]\r\n\r\n"
    whole = whole.replace(b"n\\u00e9", "né".encode())
    chunks = [whole[at : at + 1] for at in range(len(whole))]
    assert await answer(engine_for(script(Raw(chunks=chunks)))) == [Text("né"), End("stop")]


@pytest.mark.parametrize(
    ("turn", "refusal"),
    [
        (Raw(429), (429, 3040, "Capacity temporarily exceeded")),
        (Raw(503, {}, [b"loading model"]), (500, 3043, "Internal server error: loading model")),
        (Raw(400, {}, [b"bad grammar"]), (400, 8007, "Upstream bad request (status 400): bad grammar")),
        (Raw(401, {}, [b"bad key sk-123"]), (400, 99_999, "the engine's server refuses its key (status 401)")),
        (sse(delta(content="a"), done=False), (500, 3043, "broke off its answer")),
        (sse(delta(content="a"), {"error": {"message": "out of memory"}}), (500, 3043, "out of memory")),
        (sse("{no json"), (500, 3043, "is no JSON")),
        (Raw(chunks=[b"data: {"], cut=True), (503, 3050, "does not answer: RemoteProtocolError")),
    ],
)
async def test_failures_become_the_services_own(script, turn, refusal):
    with pytest.raises(ServiceError) as caught:
        await answer(engine_for(script(turn)))
    assert (caught.value.status, caught.value.code) == refusal[:2]
    assert refusal[2] in caught.value.text
    assert "sk-123" not in caught.value.text


async def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServiceError, match=f"3050: http://127.0.0.1:{port}/v1 does not answer: ConnectError"):
        await answer(HttpEngine(f"http://127.0.0.1:{port}/v1", "qwen"))


def test_one_emulator_may_think_with_another():
    with serve(RuleEngine()) as thinker:
        key = thinker.api_token
        engine = HttpEngine(f"{thinker.base_url}/accounts/{thinker.account_id}/ai/v1", MODEL, key)
        assert key not in repr(engine)
        with serve(engine) as emulator:
            client = Client(emulator)
            assert client.result(ask_user("Hello"))["response"] == "You said: Hello"
            [call] = client.result(ask_user("add(a=1)", tools=[tool("add", a="integer")]))["tool_calls"]
            assert call == {"name": "add", "arguments": {"a": 1}}
            assert client.run(ask_user("Hello")).headers["x-emulator-engine"] == "http"
            client.http.close()


async def test_closing_the_answer_hangs_up(script):
    client = script(Raw(chunks=[b"data: " + json.dumps(delta(content="a")).encode() + b"\n\n"] * 1_000, pause=0.01))
    pieces = engine_for(client).answer(ASK)
    assert await anext(pieces) == Text("a")
    await asyncio.wait_for(pieces.aclose(), 5)
