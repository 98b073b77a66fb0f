"""`record`, and `serve --cassette`."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root
from cf_llama_emulator.cassettes.format import Exchange, append, dump, read
from tests.cf_llama_emulator.cassettes.other_service import ACCOUNT, TEXT, TOKEN, OtherService, answers

ROUTE = "ai/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast"


@pytest.fixture
def start():
    """Return a function that starts a command and returns its process and what it exports."""
    running = []

    def begin(*arguments):
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "cf_llama.cli", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
        )
        running.append(process)
        banner = ""
        for line in process.stdout:
            banner += line
            if line.startswith("ready"):
                break
        return process, banner, dict(re.findall(r"^export (\w+)=(.*)$", banner, re.MULTILINE))

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def ask(base_url, account, token, text):
    body = {"messages": [{"role": "user", "content": text}]}
    url = f"{base_url}/accounts/{account}/{ROUTE}"
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {token}"}, timeout=30)


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_record_then_serve(start, tmp_path, kill):
    path = tmp_path / "new" / "a.jsonl"
    with OtherService(answers) as service:
        arguments = ("--cassette", str(path), "--upstream", service.base_url, "--scrub", "jane@[a-z.]+")
        process, banner, exports = start("record", *arguments)
        assert banner.startswith(f"recording {service.base_url} into {path}\n")
        assert list(exports) == ["CLOUDFLARE_BASE_URL"]
        base_url = exports["CLOUDFLARE_BASE_URL"]
        assert f"{base_url}/accounts/$CLOUDFLARE_ACCOUNT_ID/ai/v1" in banner
        assert ask(base_url, ACCOUNT, TOKEN, "I am jane@example.com").json()["result"]["response"] == TEXT
        assert len(read(path)) == 1  # already, while it runs
        process.send_signal(kill)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert re.search(r"POST /ai/run 200 .*\n\nstopped\n$", out)
    text = path.read_text("utf-8")
    assert not [secret for secret in (ACCOUNT, TOKEN, "jane@example.com") if secret in text]
    _, banner, exports = start("serve", "--cassette", str(path))
    assert banner.startswith(f"cassette  {path}\n")
    assert ask(*list(exports.values())[:3], "I am joe@example.com").json()["result"]["response"] == TEXT
    assert ask(*list(exports.values())[:3], "Who am I?").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["record"], "Missing option '--cassette'"),
        (["record", "--cassette", "{path}", "--scrub", "("], "scrub pattern '(' is no regular expression"),
        (["record", "--cassette", "{path}", "--upstream", "ftp://x"], "upstream must be an http or https URL"),
        (["record", "--cassette", "{path}", "--record-mode", "some"], "'new_episodes', 'all'"),
        (["record", "--cassette", "{broken}"], "is no cassette: its first line must be"),
        (["serve", "--cassette", "{path}"], "does not exist"),
        (["serve", "--cassette", "{broken}"], "is no cassette: its first line must be"),
        (["serve", "--cassette-speed", "2"], "--cassette-speed goes with --cassette"),
        (["serve", "--cassette", "{broken}", "--cassette-speed", "0"], "x>0"),
    ],
)
def test_what_is_not_allowed_is_said(tmp_path, arguments, told):
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n", "utf-8")
    arguments = [argument.format(path=tmp_path / "none.jsonl", broken=broken) for argument in arguments]
    done = CliRunner().invoke(root, arguments)
    assert done.exit_code in (1, 2)
    assert told in done.output
    assert "Traceback" not in done.output


def test_a_port_that_is_taken_is_named(tmp_path):
    with OtherService(answers) as service:
        port = httpx.URL(service.base_url).port
        done = CliRunner().invoke(root, ["record", "--cassette", str(tmp_path / "a"), "--port", str(port)])
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.output


def test_record_mode_all_begins_anew(start, tmp_path):
    path = tmp_path / "a.jsonl"
    append(path, dump(Exchange(method="GET", route="old")))
    with OtherService(answers) as service:
        options = ("--cassette", str(path), "--upstream", service.base_url, "--record-mode", "all", "--quiet")
        _, _, exports = start("record", *options)
        ask(exports["CLOUDFLARE_BASE_URL"], ACCOUNT, TOKEN, "Hi")
    assert [exchange.method for exchange in read(path)] == ["POST"]
