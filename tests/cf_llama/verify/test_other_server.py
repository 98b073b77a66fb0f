"""A server that nobody here would write: it does the unexpected, and repeats what it should keep secret."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from cf_llama.config.settings import Settings
from cf_llama.verify.client import Client
from cf_llama.verify.experiment import Outcome
from cf_llama.verify.experiments import EXPERIMENTS
from cf_llama.verify.runner import run_experiments
from tests.cf_llama.verify.fault_table import BY_CHANCE, DAMAGED, EVERYTHING, TURNS

ACCOUNT, TOKEN = "fedcba9876543210fedcba9876543210", "another-token-of-nobody"
EXTRAS = {"no_such_key", "options"}

TURNED = {
    *("call-in-history", "default-max-tokens", "front-refusal-form", "gateway-cache", "gateway-headers", "no-token"),
    *("null-parameter", "openai-max-completion-tokens", "openai-model", "openai-models", "openai-responses"),
    *("parallel-calls", "queue-submission", "reject-if-busy", "request-ids", "search", "seed", "unknown-key"),
    *("unknown-model", "wrong-token"),
}
"""The statements that no fault of the emulator contradicts."""


class Handler(BaseHTTPRequestHandler):
    """Answers everything in one shape, and never twice the same; refuses what others ignore."""

    protocol_version = "HTTP/1.1"
    numbers = count()

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": self.path}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if EXTRAS & body.keys() or '"role": "tool"' in json.dumps(body):
            self.reply(400, {"errors": [{"code": 5006, "message": f"{self.path} {self.headers['authorization']}"}]})
        elif "requests" in body:
            self.reply(200, {"status": "taken"})
        else:
            self.reply(200, self.completion(body))

    def completion(self, body):
        message = {"content": f"{self.path} {self.headers['authorization']} {next(self.numbers)}"}
        if "150" in json.dumps(body):
            message["content"] = "150"
        if len(body.get("tools", ())) == 2:
            message = {"content": None, "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}
        usage = {"prompt_tokens": 5, "completion_tokens": 40, "total_tokens": 45}
        return {"id": "1", "model": "mine", "choices": [{"message": message}], "usage": usage}

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-seen", f"{self.path} {self.headers['authorization']}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Tests print nothing."""


@pytest.fixture
def base_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/client/v4"
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(base_url):
    return Settings(base_url=base_url, account_id=ACCOUNT, api_token=TOKEN).connection()


def test_what_no_fault_contradicts_is_turned_by_it(connection):
    with Client(connection) as client:
        verdicts = {each.name: verdict for each, verdict in run_experiments(EVERYTHING, client.send, lambda _: None)}
    assert {name for name in TURNED if verdicts[name].outcome != Outcome.DIFFERS} == set()


def test_together_with_the_faults_every_statement_has_been_contradicted():
    tables = (TURNS, DAMAGED, BY_CHANCE)
    by_fault = {name for table in tables for names in table.values() for name in names}
    assert by_fault | TURNED == {experiment.name for experiment in EVERYTHING}
    assert not by_fault & TURNED


def test_no_answer_holds_account_or_token(connection):
    with Client(connection) as client:
        answers = [client.send(request) for experiment in EVERYTHING for request in experiment.requests]
    assert any(b"***" in answer.content for answer in answers)
    assert any("***" in answer.headers["x-seen"] for answer in answers)
    for secret in (ACCOUNT, TOKEN):
        assert secret not in repr(answers)


def test_the_right_credentials_are_sent_but_where_others_are_asked_for(emulator):
    with Client(Settings().connection()) as client:
        list(run_experiments(EXPERIMENTS, client.send))
    sent = [request.headers.get("authorization") for request in emulator.requests]
    assert set(sent) == {f"Bearer {emulator.api_token}", f"Bearer {'x' * 40}", None}
    assert sent.count(None) == 1


def test_a_server_that_is_not_there_is_asked_three_times_at_most(connection):
    class Lost(Client):
        sent = 0

        def _answer(self, request):
            self.sent += 1
            return super()._answer(request)

    unheard = Settings(base_url="http://127.0.0.1:9/client/v4", account_id=ACCOUNT, api_token=TOKEN).connection()
    with Lost(unheard) as client:
        verdicts = [verdict for _, verdict in run_experiments(EXPERIMENTS, client.send)]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.NOT_TESTABLE}
    assert "connect" in verdicts[0].seen
    assert client.sent == 3
