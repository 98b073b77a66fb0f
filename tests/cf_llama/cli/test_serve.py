"""The command `serve`."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from cf_llama.cli.serve import describe_engine
from cf_llama_emulator.engines.choose import ModelFile, PulledModel, Rules, Server
from cf_llama_emulator.faults.catalogue import listing

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SMALL = "qwen2.5-coder-0.5b"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "gpt"], "engine must be auto"),
        (["--engine", "local"], f"cf-llama model pull {SMALL}"),
        (["--engine", "http://127.0.0.1:1/v1"], "which model shall"),
        (["--engine", "rule", "--engine-model", "m"], "goes with an http"),
        (["--shape", "round"], "native"),
        (["--engine", "rule", "--fault", "capaciti"], "did you mean capacity?"),
        (["--port", "70000"], "0<=x<=65535"),
        (["--threads", "0"], "x>=1"),
    ],
)
def test_serve_refuses_with_what_is_allowed(cf_llama, arguments, words):
    done = cf_llama("serve", *arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_serve_names_a_model_that_cannot_be_loaded(cf_llama):
    done = cf_llama("serve", "--engine", "gguf:/none.gguf")
    assert (done.exit_code, "there is no file /none.gguf" in done.output) == (1, True)


def test_serve_names_a_port_that_is_taken(cf_llama):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cf_llama("serve", "--engine", "rule", "--port", str(port))
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}; try another --port" in done.output


def started(*arguments, **environment):
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "cf_llama.cli", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def read_banner(process):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("ready"):
            break
    return "".join(lines), dict(re.findall(r"^export (\w+)=(.*)$", "".join(lines), re.MULTILINE))


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_how_to_reach_it_and_stops_cleanly(tmp_path, kill):
    with started(CF_LLAMA_CACHE=str(tmp_path)) as process:
        banner, exported = read_banner(process)
        assert "fixed rules, no model" in banner
        assert "hashed words and letters, no model" in banner
        account = f"{exported['CLOUDFLARE_BASE_URL']}/accounts/{exported['CLOUDFLARE_ACCOUNT_ID']}"
        url = f"{account}/ai/run/{MODEL}"
        token = {"authorization": f"Bearer {exported['CLOUDFLARE_API_TOKEN']}"}
        answer = httpx.post(url, json={"prompt": "Hello"}, headers=token)
        assert answer.json()["result"]["response"]
        [page] = re.findall(r"^playground (.*)$", banner, re.MULTILINE)
        assert httpx.get(page).headers["content-type"].startswith("text/html")
        process.send_signal(kill)
        out, err = process.communicate(timeout=20)
    assert set(exported) == {
        "CLOUDFLARE_BASE_URL",
        "CLOUDFLARE_ACCOUNT_ID",
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_AUTH_TOKEN",
    }
    assert f"\n{account}/ai/v1\n" in banner
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"\d\d:\d\d:\d\d POST /ai/run 200 \d+ ms 2\+6 tokens llama-3.*\n\nstopped\n", out), out


@pytest.mark.parametrize(
    ("arguments", "status"), [((), None), (("--quiet",), None), (("--log-format", "json", "--fault", "capacity"), 429)]
)
def test_with_json_nothing_else_is_on_the_standard_output(tmp_path, arguments, status):
    with started("--engine", "rule", *arguments, CF_LLAMA_CACHE=str(tmp_path)) as process:
        told = process.stderr if status else process.stdout
        exported = {}
        for line in told:
            exported |= dict(re.findall(r"^export (\w+)=(.*)$", line))
            if line.startswith("ready"):
                break
        account = f"{exported['CLOUDFLARE_BASE_URL']}/accounts/{exported['CLOUDFLARE_ACCOUNT_ID']}"
        httpx.post(
            f"{account}/ai/run/{MODEL}", json={"prompt": "Hello"}, headers={"authorization": "Bearer emulator-token"}
        )
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    if status:
        assert json.loads(out)["status"] == status
    else:
        assert ("POST" in out) == (not arguments)


def test_serve_lists_what_can_go_wrong(cf_llama):
    assert cf_llama("serve", "--list-faults").output == listing() + "\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])  # noqa: S104 - it is refused
def test_serve_lets_no_other_machine_in_before_it_is_named(cf_llama, host):
    refused = cf_llama("serve", "--host", host)
    assert refused.exit_code == 2
    assert f"--host {host} lets other machines in: name the host they call with --allow-host NAME." in refused.output


@pytest.mark.parametrize(
    ("fault", "says"),
    [("capaciti", "one of times, .* not 'capaciti'"), ("cut=mid", "one of byte, event, .* not 'mid'")],
)
def test_serve_says_which_faults_there_are_before_it_loads_a_model(cf_llama, fault, says):
    refused = cf_llama("serve", "--fault", fault)
    assert refused.exit_code == 2
    assert "\nError: fault " in refused.output
    assert max(map(len, refused.output.splitlines())) <= 80
    assert re.search(says, " ".join(refused.output.split()))


def test_serve_answers_under_the_names_and_to_the_pages_it_is_told(tmp_path):
    arguments = [
        "--engine",
        "rule",
        "--host",
        "0.0.0.0",  # noqa: S104 - for a moment
        "--allow-host",
        "Box",
        "--allow-origin",
        "https://mine.example",
    ]
    with started(*arguments, CF_LLAMA_CACHE=str(tmp_path)) as process:
        _, exported = read_banner(process)
        assert exported["CLOUDFLARE_BASE_URL"].startswith("http://127.0.0.1:")
        asked = {
            "box": {},
            "other": {},
            "localhost": {"origin": "https://mine.example"},
            "127.0.0.1": {"origin": "null"},
        }
        answers = [
            httpx.get(exported["CLOUDFLARE_BASE_URL"], headers={"host": host} | headers)
            for host, headers in asked.items()
        ]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert [answer.status_code for answer in answers] == [400, 403, 400, 403]


def test_serve_takes_its_shape_its_faults_and_any_credentials(tmp_path):
    faults = ["--fault", "capacity", "--fault", "times=1"]
    arguments = ["--engine", "rule", "--shape", "hybrid", "--any-credentials", *faults]
    with started(*arguments, CF_LLAMA_CACHE=str(tmp_path)) as process:
        _, exported = read_banner(process)
        url = f"{exported['CLOUDFLARE_BASE_URL']}/accounts/{'f' * 32}/ai/run/{MODEL}"
        first, answer = (
            httpx.post(url, json={"prompt": "Hello"}, headers={"authorization": "Bearer another"}) for _ in range(2)
        )
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert first.status_code == 429
    assert answer.json()["result"]["choices"]


def test_serve_keeps_batches_in_a_file(tmp_path):
    arguments = ["--engine", "rule", "--queue-file", str(tmp_path / "queue")]
    answers = []
    for body in ({"requests": [{"prompt": "Hello"}]}, None):
        with started(*arguments, CF_LLAMA_CACHE=str(tmp_path)) as process:
            _, exported = read_banner(process)
            url = f"{exported['CLOUDFLARE_BASE_URL']}/accounts/{exported['CLOUDFLARE_ACCOUNT_ID']}/ai/run/{MODEL}"
            token = {"authorization": f"Bearer {exported['CLOUDFLARE_API_TOKEN']}"}
            asked = body or {"request_id": answers[0]["request_id"]}
            answers.append(httpx.post(f"{url}?queueRequest=true", json=asked, headers=token).json()["result"])
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert answers[0]["status"] == "queued"
    assert answers[1].get("status") == "running" or answers[1]["responses"]


def test_serve_says_why_a_file_for_batches_will_not_do(cf_llama, tmp_path):
    done = cf_llama("serve", "--engine", "rule", "--port", "0", "--queue-file", str(tmp_path / "no" / "queue"))
    assert done.exit_code == 1
    assert "queue_file" in done.output


@pytest.mark.parametrize(
    "choice", [PulledModel(SMALL), ModelFile("my.gguf"), Server("http://127.0.0.1:11434/v1", "llama3.2")]
)
def test_a_model_is_said_not_to_be_the_large_one(choice):
    assert "This is not Llama 3.3 70B" in describe_engine(choice)


def test_rules_are_said_to_be_no_model():
    assert "no model" in describe_engine(Rules())


def test_serve_opens_the_playground_when_asked(cf_llama, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sys.modules["cf_llama.cli.serve"], "until_interrupted", lambda: None)
    assert cf_llama("serve", "--engine", "rule", "--port", "0").exit_code == 0
    assert opened == []
    shown = cf_llama("serve", "--engine", "rule", "--port", "0", "--open").output
    assert re.findall(r"^playground (http://127\.0\.0\.1:\d+/)$", shown, re.MULTILINE) == opened
    shown = cf_llama("serve", "--engine", "rule", "--port", "0", "--open", "--no-playground").output
    assert "playground" not in shown
    assert len(opened) == 1
