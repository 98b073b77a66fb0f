"""`env.AI` of a Worker on workerd and wrangler, with the files that `cf-llama worker --init` writes."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cf_llama_emulator.testing import ScriptedEmulator
from cf_llama_emulator.worker import WORKERD, WRANGLER, plugin_path, worker_files
from tests.cf_llama_emulator.client import MODEL, ask_user, events_of

ASK = ask_user("Hello")
WORKERS = Path(__file__).parent / "workers"
SMALL = "@cf/baai/bge-small-en-v1.5"


@pytest.fixture(scope="module")
def running():
    with ScriptedEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running):
    return running.cleared()


def write_files(folder, emulator):
    for name, text in worker_files(folder, emulator.base_url, "worker.js").items():
        (folder / name).write_text(text, "utf-8")


@contextmanager
def on_workerd(tools, name, folder, emulator):
    """Start a Worker and yield a client of it."""
    write_files(folder, emulator)
    tools.build(name, folder / "worker.js")
    arguments = ("serve", WORKERD, "--socket-addr=http=127.0.0.1:0", "--control-fd=1")
    with tools.started("workerd", *arguments, cwd=folder) as lines:
        port = next(json.loads(line)["port"] for line in lines if line.startswith('{"event":"listen"'))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client


@contextmanager
def on_wrangler(tools, name, folder, emulator):
    write_files(folder, emulator)
    tools.build(name, folder / "worker.js")
    arguments = ("dev", "--config", WRANGLER, "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0")
    with tools.started("wrangler", *arguments, cwd=folder) as lines:
        told = []
        for line in lines:
            told.append(line)
            if ready := re.search(r"Ready on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("".join(told))
        with httpx.Client(base_url=ready[1], timeout=60) as client:
            yield client


@contextmanager
def on_miniflare(tools, name, folder, emulator):
    """As on wrangler, but without the plugin: the emulator is miniflare's remote proxy."""
    tools.build(name, folder / "worker.js")
    script = tools.copy("remote.mjs")
    with tools.started("node", script, folder / "worker.js", emulator.base_url, cwd=folder) as lines:
        told = [next(lines)]
        if not told[0].startswith("http://127.0.0.1:"):
            pytest.fail("".join([*told, *lines]))
        with httpx.Client(base_url=told[0].strip(), timeout=60) as client:
            yield client


WAYS = [
    pytest.param(on_workerd, id="workerd"),
    pytest.param(on_wrangler, id="wrangler"),
    pytest.param(on_miniflare, id="miniflare"),
]


@pytest.mark.parametrize("way", WAYS)
def test_the_pages_example(tools, tmp_path, emulator, way):
    emulator.say("From a program.")
    with way(tools, "whole.ts", tmp_path, emulator) as client:
        assert client.get("/").json()["response"] == "From a program."
    assert emulator.requests[0].body["messages"][0]["content"] == "You are a friendly assistant"


@pytest.mark.parametrize("way", WAYS)
def test_the_pages_streaming_example(tools, tmp_path, emulator, way):
    emulator.say("From a program.")
    with way(tools, "streaming.ts", tmp_path, emulator) as client:
        answer = client.get("/")
    assert answer.headers["content-type"] == "text/event-stream"
    assert "".join(event.get("response") or "" for event in events_of(answer.text)) == "From a program."


@pytest.fixture(scope="module", params=WAYS)
def worker(request, tools, running, tmp_path_factory):
    """A Worker that does with its binding what it is told."""
    with request.param(tools, "any.ts", tmp_path_factory.mktemp("worker"), running) as client:
        yield lambda method, *args: client.post("/", json={"method": method, "args": args}).json()


def test_an_answer_and_the_id_of_its_request(worker, emulator):
    told = worker("run", MODEL, ASK)
    assert told["result"]["response"] == "You said: Hello"
    assert re.fullmatch("[-0-9a-f]{36}", told["requestId"])


def test_a_tool_is_called(worker, emulator):
    emulator.say(emulator.call("order_status", order_id="1042"))
    tool = {"name": "order_status", "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}}}
    (call,) = worker("run", MODEL, ASK | {"tools": [tool]})["result"]["tool_calls"]
    assert (call["name"], call["arguments"]) == ("order_status", {"order_id": "1042"})


def test_json_mode(worker, emulator):
    emulator.say('{"days": 27}')
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}}
    format_ = {"type": "json_schema", "json_schema": schema}
    assert worker("run", MODEL, ASK | {"response_format": format_})["result"]["response"] == {"days": 27}


def test_a_refusal_is_the_bindings_own_error(worker, emulator):
    emulator.faults("capacity")
    told = worker("run", MODEL, ASK)
    assert told == {
        "name": "AiError",
        "message": "3040: Capacity temporarily exceeded, please try again.",
        "status": 429,
        "code": 3040,
    }


def test_a_body_that_the_model_refuses(worker, emulator):
    told = worker("run", MODEL, {})
    assert (told["name"], told["status"], told["code"]) == ("AiError", 400, 5006)
    assert "required properties at '/' are 'prompt'" in told["message"]


def test_a_raw_response(worker, emulator):
    emulator.faults("capacity")
    status, body = worker("run", MODEL, ASK, {"returnRawResponse": True})["result"]
    assert (status, body["internalCode"]) == (429, 3040)


def test_headers_of_ones_own_also_with_faults(worker, emulator):
    headers = {"x-session-affinity": "one", "x-emulator-faults": "error=5007"}
    assert worker("run", MODEL, ASK, {"extraHeaders": headers})["code"] == 5007
    assert emulator.requests[0].headers["x-session-affinity"] == "one"


def test_a_gateway_and_its_cache(worker, emulator):
    gateway = {"id": "mine", "cacheTtl": 60, "skipCache": False, "metadata": {"user": 7}}
    first, second = (worker("run", MODEL, ASK, {"gateway": gateway}) for _ in range(2))
    assert first["logId"]
    assert first["result"] == second["result"]
    sent = {name: value for name, value in emulator.requests[0].headers.items() if name.startswith("cf-aig-")}
    assert sent == {
        "cf-aig-gateway-id": "mine",
        "cf-aig-cache-ttl": "60",
        "cf-aig-skip-cache": "false",
        "cf-aig-metadata": '{"user":7}',
    }


def test_a_batch(worker, emulator):
    queued = worker("run", MODEL, {"requests": [{"prompt": "Hello"}]}, {"queueRequest": True})["result"]
    assert queued["request_id"]
    while "responses" not in (answer := worker("run", MODEL, {"request_id": queued["request_id"]})["result"]):
        assert answer["status"] in {"queued", "running"}
    assert answer["responses"][0]["result"]["response"] == "You said: Hello"


def test_reject_if_busy(worker, emulator):
    emulator.faults("busy=600")
    assert worker("run", MODEL, ASK, {"rejectIfBusy": True})["code"] == 3040
    assert emulator.requests[0].body["options"] == {"rejectIfBusy": True}


def test_embeddings_and_models(worker, emulator):
    assert worker("run", SMALL, {"text": ["a", "b"]})["result"]["shape"] == [2, 384]
    assert [model["name"] for model in worker("models", {"search": SMALL})["result"]] == [SMALL]


def test_a_call_that_is_given_up_ends_in_the_emulator_too(worker, emulator):
    usage = emulator._emulator.usage
    told = worker("run", MODEL, ASK, {"timeout": 300, "extraHeaders": {"x-emulator-faults": "busy=600"}})
    assert told["name"] == "TimeoutError"
    deadline = time.monotonic() + 60
    while usage.under_way and time.monotonic() < deadline:
        time.sleep(0.01)
    assert usage.under_way == 0
    assert len(emulator.requests) == 1


def test_what_the_bridge_has_not_is_said(worker, emulator):
    told = worker("run", MODEL, ASK, {"websocket": True})
    assert told["result"][0] == 501
    assert "run() with JSON and models()" in told["result"][1]["description"]
    assert "run() with JSON and models()" in worker("toMarkdown", [])["message"]


def test_miniflare_takes_the_plugin(tools, emulator):
    script = tools.copy("miniflare.mjs")
    told = tools.run("node", script, plugin_path(), emulator.base_url, emulator.account_id, emulator.api_token)
    assert json.loads(told.splitlines()[-1]) == [[1, 1024], ["@cf/baai/bge-m3"]]


def test_node_gets_the_binding_from_wrangler(tools, tmp_path, emulator):
    write_files(tmp_path, emulator)
    (tmp_path / "worker.js").write_text("export default {}")
    script = tools.copy("proxy.mjs")
    told = json.loads(tools.run("node", script, tmp_path / WRANGLER).splitlines()[-1])
    assert told["whole"]["response"] == "You said: Hello"
    assert "".join(event.get("response") or "" for event in events_of(told["text"])) == "You said: Hello"
    assert told["refused"].startswith("5006: ")


@pytest.fixture(scope="module")
def sdk(tools, running, tmp_path_factory):
    with on_workerd(tools, "sdk.ts", tmp_path_factory.mktemp("sdk"), running) as client:
        yield client


def test_the_ai_sdk_calls_a_tool_and_goes_on(sdk, emulator):
    emulator.say(emulator.call("add", a=1, b=2), "Three.")
    assert sdk.get("/tools").json() == {"text": "Three.", "results": [3]}
    assert emulator.requests[1].body["messages"][-1]["content"] == "3"


def test_the_ai_sdk_streams(sdk, emulator):
    emulator.say("One two three")
    assert sdk.get("/stream").text == "One two three"


def test_the_ai_sdk_embeds(sdk, emulator):
    assert sdk.get("/embeddings").json() == [384, 384]


def test_the_client_of_the_emulator_is_typed_and_works(tools, tmp_path, emulator):
    write_files(tmp_path, emulator)
    source = tmp_path / "client.ts"
    source.write_text((WORKERS / "client.ts").read_text("utf-8"), "utf-8")
    types = tools.folder / "node_modules" / "@types"
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--allowImportingTsExtensions")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tools.run("tsc", *options, "--typeRoots", types, "--types", "node", source)
    tools.run("esbuild", source, "--bundle", "--platform=node", "--format=esm", f"--outfile={tmp_path / 'client.mjs'}")
    httpx.get(emulator.base_url)
    told = json.loads(tools.run("node", tmp_path / "client.mjs", emulator.base_url))
    assert (told["said"], told["left"]) == ([2, 4], 4)
    assert "not 'latensy'" in told["refused"]
    assert told["nowhere"] == "no emulator answers at http://127.0.0.1:9/__emulator/; `cf-llama serve` starts one"
    assert [request["path"] for request in told["requests"]] == ["/client/v4"]
