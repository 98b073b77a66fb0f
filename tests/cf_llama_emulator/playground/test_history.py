"""The requests that the page lists."""

import json
import time
from datetime import UTC, datetime

import httpx
import pytest

from cf_llama.protocol.chat_template import render
from cf_llama_emulator.playground import history
from cf_llama_emulator.playground.history import AnsweredRequest, History, RecordedAnswer, excerpt
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.access_log import AccessLogEntry
from cf_llama_emulator.server.request_log import LoggedRequest
from tests.cf_llama_emulator.client import MODEL, ask_user

ENTRY = AccessLogEntry(
    time=datetime(2026, 1, 1, tzinfo=UTC),
    method="POST",
    route="/ai/run",
    model=MODEL,
    stream=False,
    status=429,
    prompt_tokens=None,
    completion_tokens=None,
    milliseconds=1.0,
    faults="capacity",
    hung_up=False,
)


def add(kept, content=b"{}", answer=b""):
    request = LoggedRequest("POST", "/", {}, {}, content)
    kept.add(ENTRY, {"read_request": request, "answer": RecordedAnswer(bytearray(answer))})


def listed(page, after=0):
    """Return the one request that is listed after this number; it comes once its answer has ended."""
    give_up = time.monotonic() + 30
    while not (found := page.get("/playground/requests", params={"after": after}).json()["requests"]):
        assert time.monotonic() < give_up
    [newest] = found
    return newest


def numbers(page):
    return [request["number"] for request in page["requests"]]


def test_the_oldest_are_dropped_by_number_and_by_size():
    kept = History(most=2, size=100)
    for _ in range(3):
        add(kept)
    assert kept.since(0)["last"] == 3
    assert numbers(kept.since(0)) == [2, 3]
    add(kept, b"x" * 50, b"y" * 48)
    assert numbers(kept.since(0)) == [3, 4]
    add(kept, b"x" * 101)
    assert numbers(kept.since(0)) == []
    assert kept.find(4) is None


def test_a_page_of_it_is_what_is_new(monkeypatch):
    monkeypatch.setattr(history, "MOST_AT_ONCE", 2)
    kept = History()
    for _ in range(4):
        add(kept)
    assert numbers(kept.since(3)) == [4]
    assert numbers(kept.since(0)) == [3, 4]
    assert numbers(kept.since(4)) == []


@pytest.mark.parametrize("text", ["paper CLIP", "/ai/run", "429", "capacity", "LLAMA-3.3", "é", "\n"])
def test_it_is_searched_in_the_request_and_in_what_became_of_it(text):
    for content in (json.dumps({"prompt": "A Paper Clip é\n"}), '{"prompt": "A Paper Clip é\\n"}'):
        assert AnsweredRequest(1, ENTRY, content.encode(), b"", answer_is_cut=False).holds(text)
    assert not AnsweredRequest(1, ENTRY, b"", b"stapler", answer_is_cut=False).holds("stapler")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (json.dumps({"prompt": "Hello\n there"}), "Hello there"),
        (json.dumps({"prompt": render([{"role": "user", "content": "Hi, a <|b"}])}), "Hi, a <|b"),
        (json.dumps({"prompt": "<|begin_of_text|>"}), "<|begin_of_text|>"),
        (json.dumps(ask_user("Hi")), "Hi"),
        (json.dumps({"input": ask_user("Hi"), "model": MODEL}), "Hi"),
        (json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": ""}, 7]}), "Hi"),
        (json.dumps({"messages": 7}), '{"messages": 7}'),
        ("[1]", "[1]"),
        ("no JSON", "no JSON"),
        ("[" * 100_000, "[" * 160 + "…"),
        ("", ""),
    ],
)
def test_a_line_stands_for_each_request(content, shown):
    assert excerpt(content.encode()) == shown


@pytest.fixture
def asked(page, emulator):
    """Return a function that asks the emulator and returns the newest line of the history."""

    def ask(body, **headers):
        headers |= {"authorization": f"Bearer {emulator.api_token}"}
        before = page.get("/playground/requests").json()["last"]
        page.post(f"/client/v4/accounts/{emulator.account_id}/ai/run/{MODEL}", json=body, headers=headers)
        return listed(page, before)

    return ask


def test_requests_are_listed_with_what_became_of_them_and_never_with_the_token(asked, page, emulator):
    newest = asked(ask_user("Hello", stream=True))
    told = {"route": "/ai/run", "status": 200, "stream": True, "prompt_tokens": 2, "completion_tokens": 6}
    assert newest.items() >= (told | {"excerpt": "Hello", "faults": ""}).items()
    answer = page.get(f"/playground/requests/{newest['number']}")
    assert json.loads(answer.json()["content"]) == ask_user("Hello", stream=True)
    assert answer.json()["answer"].endswith("data: [DONE]\n\n")
    assert emulator.api_token not in answer.text


def test_a_long_answer_is_cut(asked, page, monkeypatch):
    monkeypatch.setattr(history, "LONGEST_ANSWER", 10)
    whole = page.get(f"/playground/requests/{asked(ask_user('Hello'))['number']}").json()
    assert (len(whole["answer"]), whole["answer_is_cut"]) == (10, True)
    monkeypatch.setattr(history, "LONGEST_ANSWER", 10_000)
    whole = page.get(f"/playground/requests/{asked(ask_user('Hello'))['number']}").json()
    assert (json.loads(whole["answer"])["success"], whole["answer_is_cut"]) == (True, False)


def test_a_request_that_never_reached_a_handler_is_listed_too():
    with serve(playground=True) as emulator:
        httpx.post(f"{emulator.base_url}/nothing", headers={"origin": "https://evil.example"})
        with httpx.Client(base_url=emulator.playground_url) as client:
            only = listed(client)
    assert (only["status"], only["route"], only["excerpt"]) == (403, "*", "")


@pytest.mark.parametrize("after", ["x", "-1", "9" * 16, "1e3"])
def test_what_is_no_number_is_refused(page, after):
    answer = page.get("/playground/requests", params={"after": after})
    assert (answer.status_code, answer.text[:5]) == (400, "after")
    assert page.get("/playground/requests/999999").status_code == 404
