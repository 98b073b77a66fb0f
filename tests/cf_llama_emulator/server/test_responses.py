"""What happens on the way: failures before and in a stream, raw answers, and clients that hang up."""

import asyncio
import threading
import time

import httpx
import pytest

from cf_llama_emulator.engines.http import HttpEngine
from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import Raw, Text
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import MODEL, Client, ask_user, hang_up_in_a_stream

ASK = ask_user("Hello")


class Endless:
    """An engine that never ends by itself, and says when it was stopped."""

    name = "endless"

    def __init__(self, first=()):
        self.first = first
        self.begun, self.stopped = threading.Event(), threading.Event()

    async def answer(self, ask):
        try:
            for piece in self.first:
                yield piece
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


@pytest.fixture
def endless():
    """Return a function that starts an emulator with an endless engine."""
    clients = []

    def start(*first):
        client = Client(serve(Endless(first)))
        clients.append(client)
        return client, client.emulator._emulator.engine

    yield start
    for client in clients:
        client.http.close()
        client.emulator.close()


@pytest.mark.parametrize("stream", [False, True])
def test_an_engines_refusal_before_the_first_piece_has_its_status(script, stream):
    client = script(ServiceError(429, 3040, "Capacity temporarily exceeded, please try again."))
    answer = client.run(ASK | {"stream": stream})
    assert answer.status_code == 429
    request_id = answer.headers["cf-ai-req-id"]
    text = f"AiError: AiError: Capacity temporarily exceeded, please try again. ({request_id})"
    assert answer.json() == {
        "errors": [{"message": text, "code": 3040}],
        "success": False,
        "result": {},
        "messages": [],
    }


def test_a_refusal_in_the_middle_is_an_event_and_ends_the_stream_without_its_mark(script):
    answer = script(["One", ServiceError(500, 3043, "Internal server error")]).run(ASK | {"stream": True})
    assert answer.status_code == 200
    events = answer.text.split("\n\n")
    assert '"response":"One"' in events[1]
    assert '"code":3043' in events[2]
    assert "[DONE]" not in answer.text


def test_a_broken_engine_is_an_internal_error_that_says_why(script, caplog):
    answer = script(ZeroDivisionError("division by zero")).run(ASK)
    assert answer.status_code == 500
    [error] = answer.json()["errors"]
    assert error["code"] == 3043
    assert "ZeroDivisionError: division by zero" in error["message"]
    assert "The engine failed." in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_raw_answers_go_out_byte_for_byte(script, stream):
    raw = Raw(502, {"Content-Type": "text/html", "retry-after": "7", "CF-Ray": "mine"}, [b"<html>", b"\xff</html>"])
    answer = script(raw).run(ASK | {"stream": stream})
    assert (answer.status_code, answer.content) == (502, b"<html>\xff</html>")
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers.get_list("cf-ray") == ["mine"]


def test_raw_chunks_can_be_slow_and_arrive_one_by_one(script):
    client = script(Raw(chunks=[b"one", b"two"], pause=0.1))
    begun = time.monotonic()
    with client.http.stream("POST", f"{client.account}/ai/run/{MODEL}", json=ASK) as answer:
        chunks = list(answer.iter_raw())
    assert chunks == [b"one", b"two"]
    assert time.monotonic() - begun >= 0.2


def test_a_raw_answer_can_break_off(script):
    client = script(Raw(headers={"content-type": "text/event-stream"}, chunks=[b"data: {"], cut=True), "fine")
    with pytest.raises(httpx.RemoteProtocolError):
        client.run(ASK)
    assert client.result(ASK)["response"] == "fine"


def test_hanging_up_on_a_whole_answer_stops_the_thinking(endless):
    client, engine = endless()
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(f"{client.account}/ai/run/{MODEL}", json=ASK, timeout=0.2)
    assert engine.stopped.wait(5)


def test_hanging_up_in_a_stream_stops_the_thinking(endless):
    client, engine = endless(Text("One"), Text(" two"))
    url = f"{client.account}/ai/run/{MODEL}"
    with client.http.stream("POST", url, json=ASK | {"stream": True}) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        assert not engine.stopped.is_set()
    assert engine.stopped.wait(5)


@pytest.fixture(params=["rule", "script", "http"])
def talkative(request, rules):
    """An engine of each kind, with much to say."""
    url = f"{rules.account}/ai/v1"
    kinds = {
        "rule": RuleEngine,
        "script": lambda: ScriptEngine(["word " * 5_000]),
        "http": lambda: HttpEngine(url, MODEL, rules.emulator.api_token),
    }
    return kinds[request.param]()


def test_a_client_that_hangs_up_in_a_stream_makes_no_noise(talkative, caplog, capfd):
    with serve(talkative) as emulator:
        hang_up_in_a_stream(emulator, "word " * 5_000)
        account = f"{emulator.base_url}/accounts/{emulator.account_id}"
        headers = {"authorization": f"Bearer {emulator.api_token}"}
        assert httpx.get(f"{account}/ai/models/search", headers=headers).status_code == 200
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def test_pieces_are_sent_as_they_are_thought(endless):
    client, engine = endless(Text("One"))
    url = f"{client.account}/ai/run/{MODEL}"
    with client.http.stream("POST", url, json=ASK | {"stream": True}) as answer:
        lines = answer.iter_lines()
        assert '"response":"One"' in [next(lines) for _ in range(3)][2]
        assert engine.begun.wait(5)


def test_closing_the_server_ends_an_answer_that_never_ends(endless):
    client, engine = endless(Text("One"))
    url = f"{client.account}/ai/run/{MODEL}"
    with client.http.stream("POST", url, json=ASK | {"stream": True}) as answer:
        lines = answer.iter_lines()
        next(lines)
        begun = time.monotonic()
        client.emulator.close()
        assert time.monotonic() - begun < 5
        assert engine.stopped.is_set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)


def test_fifty_streams_at_once_stay_apart(rules):
    async def one(client, word):
        body = ask_user(f"{word} " * 20, stream=True)
        answer = await client.post(f"{rules.account}/ai/run/{MODEL}", json=body)
        return answer.text

    async def all_of_them():
        async with httpx.AsyncClient(headers=rules.http.headers, timeout=30) as client:
            return await asyncio.gather(*(one(client, f"word{number}x") for number in range(50)))

    for number, text in enumerate(asyncio.run(all_of_them())):
        assert text.count(f'"response":{number}') == 20
        assert text.endswith("data: [DONE]\n\n")
