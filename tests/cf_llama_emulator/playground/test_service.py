"""The page's route to the real service: who may use it, what it costs, and that the token stays here."""

import json
import time

import httpx
import pytest

from cf_llama_emulator.server import serve
from cf_llama_emulator.settings import ServiceAccount
from tests.cf_llama_emulator.cassettes.other_service import (
    ACCOUNT,
    EVENTS,
    TEXT,
    TOKEN,
    Answer,
    OtherService,
    answers,
    whole,
)
from tests.cf_llama_emulator.client import MODEL, ask_user

ROUTE = "/playground/service"
PRICE = (11 * 0.293 + 7 * 2.253) / 1e6
"""Of one answer of the other service."""


class Page:
    """What the page's scripts can do."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.http = httpx.Client(base_url=emulator.playground_url, timeout=30)
        self.service = self.http.get("/playground/config.json").json()["service"]
        self.headers = {
            "origin": emulator.playground_url.rstrip("/"),
            "sec-fetch-site": "same-origin",
            "x-playground-key": self.service["key"] if self.service else "",
            "content-type": "application/json",
        }

    def ask(self, text="Hi", **body):
        return self.http.post(ROUTE, content=json.dumps(ask_user(text, **body)), headers=self.headers)

    def spent(self):
        """What it says once nothing is under way."""
        give_up = time.monotonic() + 30
        while (told := self.http.get("/playground/spending").json()).pop("under_way"):
            assert time.monotonic() < give_up
        return told


@pytest.fixture
def page():
    """Return a function that starts an emulator whose page may ask the service at this URL."""
    pages = []

    def start(base_url, read_timeout=130.0, **settings):
        account = ServiceAccount(account_id=ACCOUNT, api_token=TOKEN, base_url=base_url, read_timeout=read_timeout)
        pages.append(Page(serve(playground=True, service=account, **settings)))
        return pages[-1]

    yield start
    for each in pages:
        each.http.close()
        each.emulator.close()


@pytest.fixture
def service():
    with OtherService(answers) as running:
        yield running


def test_an_answer_is_the_services_and_the_request_has_nothing_of_the_browsers(page, service):
    page = page(service.base_url)
    answer = page.http.post(
        ROUTE,
        content=json.dumps(ask_user("Hi")),
        headers=page.headers | {"cookie": "a=b", "x-emulator-faults": "capacity", "authorization": "Bearer other"},
    )
    assert (answer.status_code, answer.content) == (200, whole(TEXT))
    [(method, path, headers, body)] = service.requests
    assert (method, path) == ("POST", f"/client/v4/accounts/{ACCOUNT}/ai/run/{MODEL}")
    assert json.loads(body) == ask_user("Hi")
    assert headers["authorization"] == f"bearer {TOKEN}".lower()
    assert headers.keys() == {
        *("host", "authorization", "content-type", "accept-encoding", "user-agent", "content-length")
    }
    assert not page.emulator.requests


def test_a_stream_comes_as_it_was_sent(page, service):
    page = page(service.base_url)
    answer = page.ask(stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.content == EVENTS


@pytest.mark.parametrize("stream", [True, False])
def test_what_the_answers_have_cost_is_counted_since_the_start(page, service, stream):
    page = page(service.base_url)
    assert page.spent() == {"requests": 0, "without_usage": 0, "dollars": 0}
    for count in (1, 2):
        page.ask(stream=stream)
        told = page.spent()
        assert (told["requests"], told["without_usage"]) == (count, 0)
        assert told["dollars"] == pytest.approx(count * PRICE)


QUIRKS = ["", "split=3", "usage-twice", "framing", "merge", "gzip", "cached", "neurons", "text-at-end", "nulls"]


@pytest.mark.parametrize("increments", [True, False])
@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_every_shape_tells_its_cost_under_every_quirk(page, shape, increments):
    with serve(account_id=ACCOUNT, api_token=TOKEN, shape=shape, increments=increments) as service:
        page = page(service.base_url)
        count = 0
        for quirk in QUIRKS:
            for stream in (True, False):
                service.faults(quirk)
                page.ask("Hello", stream=stream)
                count += 1
                assert page.spent()["dollars"] == pytest.approx(count * (2 * 0.293 + 6 * 2.253) / 1e6), (quirk, stream)


@pytest.mark.parametrize(
    ("faults", "without_usage"),
    [("no-usage", 1), ("cut=event@2", 1), ("capacity", 0), ("error, form=empty", 0), ("no-answer", 1)],
)
def test_what_told_no_usage_is_counted_too(page, faults, without_usage):
    with serve(account_id=ACCOUNT, api_token=TOKEN, faults=faults) as service:
        page = page(service.base_url)
        try:
            page.ask("Hello", stream=True)
        except httpx.RemoteProtocolError:
            assert faults.startswith("cut")
        assert page.spent() == {"requests": 1, "without_usage": without_usage, "dollars": 0}


@pytest.mark.parametrize("fault", ["capacity", "quota-spent", "error, status=522, form=html"])
def test_errors_of_the_service_are_shown_as_they_are(page, fault):
    with serve(account_id=ACCOUNT, api_token=TOKEN, faults=fault) as service:
        shown = page(service.base_url).ask()
        url = f"{service.base_url}/accounts/{ACCOUNT}/ai/run/{MODEL}"
        straight = httpx.post(url, json=ask_user("Hi"), headers={"authorization": f"Bearer {TOKEN}"})
    assert shown.status_code == straight.status_code >= 400
    assert shown.headers.get("content-type") == straight.headers.get("content-type")
    assert len(shown.content) == len(straight.content)


def test_a_service_that_cannot_be_reached_costs_nothing(page):
    page = page("http://127.0.0.1:1/client/v4")
    answer = page.ask()
    assert answer.status_code == 502
    assert "no answer of 127.0.0.1" in answer.json()["errors"][0]["message"]
    assert page.spent() == {"requests": 1, "without_usage": 0, "dollars": 0}


def test_a_service_that_hangs_is_an_error(page):
    with serve(account_id=ACCOUNT, api_token=TOKEN, faults="no-answer=hang") as service:
        page = page(service.base_url, read_timeout=0.5)
        answer = page.ask()
        assert answer.status_code == 502
        assert "no answer of 127.0.0.1" in answer.json()["errors"][0]["message"]
        assert "for 0.5 s" in answer.json()["errors"][0]["message"]
        assert page.spent() == {"requests": 1, "without_usage": 1, "dollars": 0}


def test_a_stream_that_hangs_breaks_off(page):
    with serve(account_id=ACCOUNT, api_token=TOKEN, faults="hang=event@2") as service:
        page = page(service.base_url, read_timeout=0.5)
        with pytest.raises(httpx.RemoteProtocolError):
            page.ask(stream=True)
        assert page.spent()["without_usage"] == 1


@pytest.mark.parametrize("fault", ["no-answer=hang", "hang=event@2"])
def test_who_stops_an_answer_stops_the_request_to_the_service(page, fault):
    entries = []
    with serve(account_id=ACCOUNT, api_token=TOKEN, faults=fault, access_log=entries.append) as service:
        page = page(service.base_url)
        with pytest.raises(httpx.ReadTimeout):
            page.http.post(ROUTE, content=json.dumps(ask_user("Hi", stream=True)), headers=page.headers, timeout=2)
        assert page.spent()["without_usage"] == 1
        give_up = time.monotonic() + 30
        while not entries:
            assert time.monotonic() < give_up
    assert entries[0].hung_up


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": None},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"x-playground-key": None},
        {"x-playground-key": "guessed"},
        {"x-playground-key": "grün"},
        {"content-type": "text/plain"},
        {"content-type": None},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
    ids=str,
)
def test_no_other_page_spends_the_accounts_money(page, service, changed):
    page = page(service.base_url, hosts=frozenset({"*"}), origins=frozenset({"*"}))
    headers = {name: value.encode() for name, value in (page.headers | changed).items() if value is not None}
    answer = page.http.post(ROUTE, content=json.dumps(ask_user("Hi")), headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert not service.requests
    assert page.spent()["requests"] == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_only_what_is_posted_is_passed_on(page, service, method):
    page = page(service.base_url)
    assert page.http.request(method, ROUTE, headers=page.headers).status_code in {404, 405}
    assert not service.requests


def test_the_key_is_new_in_each_process(page, service):
    assert page(service.base_url).service["key"] != page(service.base_url).service["key"]


def echoes(path, body):
    """Repeat the secrets wherever they can stand: in a whole answer, in an error, in a stream, in headers."""
    text = f"of {TOKEN.upper()}, {ACCOUNT}; {TOKEN}"
    headers = {"cf-ai-req-id": TOKEN, "location": f"https://other.example/{TOKEN}", "retry-after": TOKEN}
    if body["messages"][0]["content"] == "break":
        return Answer([f"data: {{}} {TOKEN[:-1]}".encode()], kind="text/event-stream", headers=headers, breaks=True)
    if body.get("stream"):
        chunks = [f'data: {{"response": "{text}"}}\n\n'.encode(), b"data: [DONE]\n\n"]
        return Answer([bytes([byte]) for byte in b"".join(chunks)], kind="text/event-stream", headers=headers)
    status = "307 Temporary Redirect" if body["messages"][0]["content"] == "redirect" else "401 Unauthorized"
    return Answer([json.dumps({"errors": [{"code": 10000, "message": text}]}).encode()], status, headers=headers)


def test_the_token_is_in_nothing_that_the_page_or_the_log_gets(page, capfd):
    entries = []
    with OtherService(echoes) as service:
        page = page(service.base_url, access_log=entries.append)
        seen = []
        for text, stream in (("whole", False), ("stream", True), ("redirect", False)):
            answer = page.ask(text, stream=stream)
            assert "[redacted]" in answer.text
            seen.append(f"{answer.headers} {answer.text}")
        with pytest.raises(httpx.RemoteProtocolError):
            page.ask("break", stream=True)
    assert page.spent()["requests"] == 4
    seen.append(page.ask().text)  # it is gone
    for path in (
        "/",
        "/playground/config.json",
        "/playground/requests",
        "/playground/spending",
        "/__emulator/requests",
    ):
        answer = page.http.get(path)
        assert answer.status_code == 200
        seen.append(f"{answer.headers} {answer.text}")
    listed = page.http.get("/playground/requests").json()["requests"]
    assert [request["route"] for request in listed].count(ROUTE) == 5
    seen += [page.http.get(f"/playground/requests/{request['number']}").text for request in listed]
    seen += [str(entries), repr(page.emulator._emulator), *capfd.readouterr()]
    for secret in (TOKEN, ACCOUNT, TOKEN[:-1]):
        assert not [text for text in seen if secret.lower() in text.lower()], secret


def test_what_the_page_asked_is_listed_with_its_cost(page, service):
    page = page(service.base_url)
    page.ask("A question", stream=True)
    page.spent()
    [listed] = page.http.get("/playground/requests").json()["requests"]
    told = {"route": ROUTE, "status": 200, "stream": True, "prompt_tokens": 11, "completion_tokens": 7}
    assert listed.items() >= (told | {"excerpt": "A question"}).items()


def test_without_an_account_there_is_no_such_route():
    with serve(playground=True) as emulator:
        page = Page(emulator)
        assert page.service is None
        assert page.ask().status_code in (404, 405)
        page.http.close()


def test_a_request_that_is_too_large_is_not_sent(page, service):
    page = page(service.base_url)
    assert page.ask("x" * 10_000_001).status_code == 413
    assert not service.requests


ACCOUNTS = {"account_id": ACCOUNT, "api_token": TOKEN}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"account_id": "short"}, "account_id must be 32"),
        ({"api_token": "two words"}, "api_token must be printable"),
        ({"api_token": ""}, "api_token"),
        ({"base_url": "http://other.example/client/v4"}, "base_url must be https"),
        ({"base_url": "https://user:word@other.example"}, "base_url"),
        ({"base_url": "file:///etc"}, "base_url"),
    ],
)
def test_an_account_that_cannot_be_right_is_named_without_its_values(wrong, named):
    with pytest.raises(ValueError, match=named) as error:
        ServiceAccount(**ACCOUNTS | wrong)
    assert not [value for value in wrong.values() if value and value in str(error.value)]
    shown = repr(ServiceAccount(**ACCOUNTS))
    assert TOKEN not in shown
    assert ACCOUNT not in shown
