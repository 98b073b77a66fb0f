"""`verify --cassette`: the recorded exchanges hold no secret, and lead to the same verdicts again."""

import json

import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root
from cf_llama_emulator.cassettes.format import read
from cf_llama_emulator.server.threaded import serve
from tests.cf_llama_emulator.cassettes.other_service import ACCOUNT, COOKIE, RAY, TOKEN, Answer, OtherService, whole

FAULTS = [
    "",
    "shape=hybrid, tokens=text, no-usage=closing, framing=crlf, form=binding, takes-content, queue-form=2",
    "gzip, bare, status=200, retry-after=5ms, tool-choice=refused, queue-shuffled, cached=3",
    "cut=event@2",
    "quota",
]
OF_THE_ENVELOPE = {"shape", "response-text", "no-calls", "usage", "neurons", "cached-tokens", "request-ids"}
"""Experiments that make the same request as `envelope`."""
CREDENTIALS = ("wrong-token", "no-token", "front-refusal-form")


@pytest.fixture
def verify(monkeypatch, tmp_path):
    """Return a function that runs `verify` against a server, and returns the experiments of its report."""
    monkeypatch.setattr("cf_llama.verify.runner.FIRST_PAUSE", 0.01)

    def run(server, *arguments):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", getattr(server, "account_id", ACCOUNT))
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", getattr(server, "api_token", TOKEN))
        report = tmp_path / "report.json"
        names = ("verify", "--yes", "--base-url", server.base_url, "--json", str(report))
        done = CliRunner().invoke(root, [*names, *arguments])
        assert "Traceback" not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return json.loads(report.read_text("utf-8"))["experiments"]

    return run


@pytest.mark.parametrize("faults", FAULTS)
def test_a_replay_leads_to_the_same_verdicts(verify, tmp_path, faults):
    cassette, everything = tmp_path / "seen.jsonl", ("--queue", "--gateway", "production-gateway")
    with serve(faults=faults) as service:
        seen = verify(service, *everything, "--cassette", str(cassette))
        text = cassette.read_text("utf-8")
        assert not [secret for secret in (service.account_id, service.api_token, "x" * 40) if secret in text]
        assert len(read(cassette)) == len(service.requests)
    with serve(cassette=cassette) as replaying:
        again = verify(replaying, *everything)
    assert again == seen


def telling(path, body):
    """Repeat every secret, and let anyone in."""
    told = f"{TOKEN} {ACCOUNT} {RAY} {COOKIE} {path}"
    headers = {"cf-ai-req-id": told, "x-seen": told}
    return Answer([json.dumps({"response": f"{told} {body}", "usage": {}}).encode()], headers=headers)


def test_what_a_server_repeats_is_not_in_the_file(verify, tmp_path):
    cassette = tmp_path / "new" / "seen.jsonl"
    with OtherService(telling) as service:
        seen = verify(service, "--gateway", "default", "--cassette", str(cassette))
    text = cassette.read_text("utf-8")
    secrets = [TOKEN, ACCOUNT, RAY, RAY.partition("-")[0], COOKIE, "x" * 40, "127.0.0.1"]
    assert not [secret for secret in secrets if secret in text]
    assert "<scrubbed-token>" in text
    with serve(cassette=cassette, account_id=None, api_token=None) as replaying:
        assert verify(replaying, "--gateway", "default") == seen


def test_headers_that_a_server_does_not_send_are_not_seen_in_a_replay(verify, tmp_path):
    cassette = tmp_path / "seen.jsonl"
    arguments = ("--only", "request-ids", "--only", "gateway-headers", "--gateway", "default")
    with OtherService(lambda *_: Answer([whole("Hello")])) as service:
        seen = verify(service, *arguments, "--cassette", str(cassette))
    assert [each["seen"] for each in seen] == ["cf-ray", ""]
    with serve(cassette=cassette) as replaying:
        assert verify(replaying, *arguments) == seen


def test_an_answer_that_breaks_off_does_so_again(verify, tmp_path):
    cassette = tmp_path / "seen.jsonl"
    with OtherService(lambda *_: Answer([b"{"], breaks=True)) as service:
        seen = verify(service, "--only", "refusal-codes", "--cassette", str(cassette))
    with serve(cassette=cassette) as replaying:
        assert verify(replaying, "--only", "refusal-codes") == seen
    assert [each["outcome"] for each in seen] == ["not testable"]


def test_an_answer_that_cannot_be_searched_for_secrets_is_not_testable(verify, tmp_path):
    cassette = tmp_path / "seen.jsonl"
    with OtherService(lambda *_: Answer([b"x"], headers={"Content-Encoding": "br"})) as service:
        [seen] = verify(service, "--only", "shape", "--cassette", str(cassette))
    assert (seen["outcome"], cassette.exists()) == ("not testable", False)
    assert "content-encoding 'br'" in seen["seen"]


def test_what_a_cassette_has_no_answer_to_is_not_testable(verify, tmp_path):
    cassette = tmp_path / "seen.jsonl"
    with serve() as service:
        verify(service, "--only", "envelope", "--cassette", str(cassette))
    with serve(cassette=cassette) as replaying:
        outcomes = {each["name"]: each["outcome"] for each in verify(replaying)}
    assert outcomes.pop("envelope") == "as expected"
    assert {outcomes.pop(name) for name in CREDENTIALS} == {"as expected"}  # the emulator checks them
    assert {name for name, outcome in outcomes.items() if outcome != "not testable"} <= OF_THE_ENVELOPE


def test_a_cassette_that_cannot_be_written_is_exit_code_2(emulator, tmp_path):
    (tmp_path / "file").touch()
    arguments = ["verify", "--yes", "--only", "envelope", "--cassette", str(tmp_path / "file" / "seen.jsonl")]
    done = CliRunner().invoke(root, arguments)
    assert done.exit_code == 2
    assert "cannot write" in " ".join(done.output.split())
