"""The command `verify`: what it prints and writes, its exit codes, and the profile that `serve` takes."""

import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root
from cf_llama.verify.report import combine
from cf_llama_emulator.faults import combined
from cf_llama_emulator.server.threaded import serve

FAULTS = "shape=hybrid, tokens=text, no-usage=closing, framing=crlf, form=binding, takes-content"


@pytest.fixture
def verify():
    return lambda *arguments, **how: CliRunner().invoke(root, ["verify", *arguments], **how)


@pytest.fixture
def faulty(monkeypatch):
    """An emulator with faults, and the environment that leads to it."""
    with serve(faults=FAULTS) as running:
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", running.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", running.api_token)
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", running.base_url)
        yield running


def test_all_is_as_expected(verify, emulator):
    done = verify("--yes", "--queue", "--gateway", "default")
    assert done.exit_code == 0, done.output
    assert re.search(
        r"^\d+ experiments, \d+ requests to 127.0.0.1: about [\d,]+ tokens in .*\$0\.00\d\d$", done.output, re.MULTILINE
    )
    assert re.search(r"^\d+ as expected, 0 differs, 0 not testable$", done.output, re.MULTILINE)
    assert "--fault" not in done.output


def test_the_price_is_confirmed_first(verify, emulator):
    for answer, code in (("n\n", 2), ("", 2), ("y\n", 0)):
        assert not emulator.requests
        done = verify("--only", "envelope", input=answer)
        assert done.exit_code == code, done.output
        assert "Ask? [Y/n]" in done.output
        assert ("--yes confirms it" in done.output) is (not answer)  # where nobody is there to answer
    assert len(emulator.requests) == 1


@pytest.mark.parametrize("option", ["--markdown", "--json", "--apply"])
def test_a_report_that_cannot_be_written_is_told_before_a_request(verify, emulator, tmp_path, option):
    done = verify("--yes", option, str(tmp_path / "none" / "report"))
    assert done.exit_code == 2
    assert "none does not exist or is not writable" in done.output
    assert not emulator.requests


def test_a_base_url_that_is_none_is_named_once(verify, emulator):
    done = verify("--yes", "--base-url", "nowhere")
    assert done.exit_code == 2
    assert done.output.startswith("Error: base_url must be an http(s) URL")


def test_what_differs_is_written_without_account_and_token(verify, faulty, tmp_path):
    markdown, report, profile = (tmp_path / name for name in ("a.md", "a.json", "profile.json"))
    done = verify("--yes", "--markdown", str(markdown), "--json", str(report), "--apply", str(profile))
    assert done.exit_code == 1
    found = json.loads(report.read_text())
    assert found["summary"] in done.output
    assert {each["outcome"] for each in found["experiments"]} == {"as expected", "differs", "not testable"}
    [shape] = [each for each in found["experiments"] if each["name"] == "shape"]
    assert (shape["expected"], shape["seen"], shape["switch"]) == ("native", "hybrid", "shape=hybrid")
    assert f"| {shape['statement']} | differs | native | hybrid | shape=hybrid |" in markdown.read_text()
    assert set(json.loads(profile.read_text())["faults"]) == set(FAULTS.split(", "))
    for text in (done.output, *(path.read_text() for path in (markdown, report, profile))):
        assert faulty.account_id not in text
        assert faulty.api_token not in text


def test_an_emulator_with_the_profile_is_the_same(verify, faulty, tmp_path):
    profile, again = tmp_path / "profile.json", tmp_path / "again.json"
    verify("--yes", "--apply", str(profile))
    environment = os.environ | {"CF_LLAMA_CACHE": str(tmp_path)}
    with subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "cf_llama.cli", "serve", "--port", "0", "--engine", "rule", "--profile", str(profile)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        [base_url] = (
            line.split("=")[1].strip()
            for line in iter(process.stdout.readline, "ready     Ctrl-C stops\n")
            if "BASE_URL" in line
        )
        verify("--yes", "--base-url", base_url, "--apply", str(again))
        process.terminate()
        process.communicate(timeout=20)
    assert again.read_text() == profile.read_text()


def test_a_profile_without_anything_changes_nothing(verify, emulator, tmp_path):
    profile = tmp_path / "profile.json"
    assert verify("--yes", "--apply", str(profile)).exit_code == 0
    assert json.loads(profile.read_text()) == {"faults": []}


@pytest.mark.parametrize("content", ["", "[]", '{"faults": "shape=hybrid"}', '{"faults": [1]}'])
def test_serve_refuses_what_is_no_profile(tmp_path, content):
    profile = tmp_path / "profile.json"
    profile.write_text(content)
    done = CliRunner().invoke(root, ["serve", "--profile", str(profile)])
    assert done.exit_code == 1
    assert 'profile.json must be a JSON object with a list of texts: {"faults": ["shape=hybrid"]}' in done.output


def test_serve_refuses_a_profile_with_unknown_faults(tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text('{"faults": ["shape=round"]}')
    done = CliRunner().invoke(root, ["serve", "--profile", str(profile)])
    assert done.exit_code == 2
    assert "native, hybrid, openai" in done.output


def test_a_service_that_is_not_there_is_exit_code_2(verify, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0" * 32)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "a-token-of-nobody")
    done = verify("--yes", "--base-url", "http://127.0.0.1:9/client/v4")
    assert done.exit_code == 2
    assert "0 as expected, 0 differs" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "account_id is missing"),
        (("--base-url", "http://example.com/client/v4"), "account_id is missing"),
        (("--base-url", "ftp://example.com"), "base_url must be an http(s) URL"),
        (("--only", "nothing"), "--only must be one of envelope, "),
        (("--gateway", "a/b"), "--gateway must be a gateway's id"),
        (("--markdown", "."), "is a directory"),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2(verify, arguments, words):
    done = verify("--yes", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())


def test_a_report_that_cannot_be_written_is_exit_code_2(verify, emulator, tmp_path):
    done = verify("--yes", "--only", "envelope", "--json", str(tmp_path / "none" / "a.json"))
    assert done.exit_code == 2
    assert "cannot write" in done.output


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["no-usage", "no-usage=closing", "no-usage"], ["no-usage=closing"]),
        (["shape=hybrid, absent=response", "shape=hybrid", ""], ["shape=hybrid", "absent=response"]),
        ([], []),
    ],
)
def test_each_fault_is_named_once(texts, wanted):
    assert combine(texts) == wanted
    combined([", ".join(wanted)])
