"""A binding in Pyodide, the Python of Cloudflare's Workers, under Node: with objects and streams of JavaScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from cf_llama_emulator.server.threaded import serve

pytestmark = pytest.mark.worker

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = Path(os.environ.get("WORKER_TOOLS", ROOT / "build" / "worker"))
PIECES = ["You", " said", ":", " Hi"]


@pytest.fixture(scope="module")
def run():
    """Run a program in Pyodide, and return the JSON that it prints."""
    node = shutil.which("node")
    missing = [str(path) for path in (TOOLS / "node_modules" / "pyodide", TOOLS / "site") if not path.exists()]
    if node is None or missing:
        pytest.skip(f"{missing[0] if node else 'node'} is missing: see `make worker`")

    def in_pyodide(program):
        with serve() as emulator:
            environment = os.environ | {
                "WORKER_TOOLS": str(TOOLS),
                "REPOSITORY": str(ROOT),
                "HOST_PACKAGES": sysconfig.get_path("purelib"),
                "PROGRAM": str(HERE / program),
                "AI_URL": f"{emulator.base_url}/accounts/{emulator.account_id}/ai/run",
                "AI_TOKEN": emulator.api_token,
            }
            command = [node, HERE / "run.mjs"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own program
        assert done.returncode == 0, done.stderr[-5000:]
        return json.loads(done.stdout.splitlines()[-1])

    return in_pyodide


@pytest.fixture(scope="module")
def seen(run):
    return run("core_program.py")


@pytest.fixture(params=["plain", "wrapped"])
def core(request, seen):
    """What the transport saw of `env.AI`, by itself and in the wrapper of Cloudflare's SDK."""
    return seen[request.param]


def test_answers_come_whole(core):
    assert core["whole"] == ["You said: Hi", 5, True]
    assert core["whole of content"] == "You said: give content"
    assert core["whole of an object"] == "an object"


def test_streams_come_piece_by_piece(core):
    assert core["streamed"] == PIECES
    assert "".join(core["streamed of content"]) == "You said: give content"


def test_a_stream_that_is_left_is_cancelled(core):
    assert core["left early"] == ["You", True]


def test_the_request_is_an_object_of_javascript(core):
    sent = core["sent"]
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert (sent["nothing"], sent["nested"]) == (None, [{"é": 1.5}])
    assert sent["large"] == pytest.approx(2**63)  # a number still, although JavaScript has not all of its digits


def test_errors_have_their_classes_and_codes(core):
    assert core["refused"][:3] == ["NotFoundError", 5007, 400]
    assert core["thrown"][:3] == ["CapacityError", 3040, 429]
    assert core["empty"] == ["ServiceError", None, 502, "the service gave no reason"]
    assert core["lost"][:3] == ["ConnectionFailedError", None, None]
    assert "Network connection lost." in core["lost"][3]
    assert core["late"][0] == "RequestTimeoutError"


def test_synchronous_methods_are_refused(core):
    assert core["synchronous"].startswith("a binding answers asynchronous methods only")


def test_langchain_answers_streams_and_calls_tools(run):
    assert run("langchain_program.py") == {"whole": "You said: Hi", "streamed": PIECES, "tools": ["order_status"]}


def test_the_example_answers_streams_and_calls_its_tool(run):
    answer = "You said: Answer in one sentence: Hi"
    plain, streamed, order = run("example_program.py").values()
    assert plain == streamed == [200, answer]
    assert order[0] == 200
    assert "left Rotterdam this morning" in order[1]
