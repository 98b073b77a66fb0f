"""What the page offers to copy is run as it is, in a program of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cf_llama_emulator.wire.engine_protocol import Call

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[4]
QUOTES = 'It\'s "quoted", $HOME `id` \\ back\nnew line, 🎉 \x7f'
ANSWER = "The very same answer."


def run(kind, program, tmp_path):
    """Run a program as pasted and return what it printed."""
    if kind == "curl":
        command = [shutil.which("bash"), "-c", program]
    else:
        file = tmp_path / "program.py"
        file.write_text(program, "utf-8")
        command = [sys.executable, "-W", "ignore", str(file)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120).stdout  # noqa: S603 - what the page wrote


def copied(page, kind):
    page.fill("#copy-kind", kind)
    return page.text("#copy-text")[0]


KINDS = ["curl", "python", "langchain", "llamaindex"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation(playground, tmp_path, kind, stream):
    page = playground("First.", "Second.", ANSWER)
    page.fill("#system", "Be brief")
    page.fill("#parameter-temperature", "0.25")
    if not stream:
        page.the("#stream").click()
    page.ask("Begin")
    page.answers()
    page.ask(QUOTES)
    page.answers(2)
    shown = run(kind, copied(page, kind), tmp_path)
    assert shown.replace(" ", "").count("very") == 1
    asked, again = (request.body for request in page.emulator.requests[-2:])
    assert again["messages"] == asked["messages"]
    assert again["messages"][-1]["content"] == QUOTES
    assert (again["temperature"], again.get("stream", False)) == (0.25, stream)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_call_with_its_result(playground, tmp_path, kind):
    page = playground([Call("get_weather", {"city": "Delft"})], "It rains.", [Call("get_weather", {"city": "Gouda"})])
    page.fill("#tool-sample", "get_weather")
    page.ask("And in Delft?")
    page.answers()
    page.the(".results textarea").send_keys("rain")
    page.click("Send result")
    page.answers(2)
    shown = run(kind, copied(page, kind), tmp_path)
    assert "get_weather" in shown
    assert "Gouda" in shown
    asked, again = (request.body for request in page.emulator.requests[-2:])
    assert [turn["role"] for turn in again["messages"]] == ["user", "assistant", "tool"]
    assert again["messages"][1]["tool_calls"][0]["id"] == asked["messages"][1]["tool_calls"][0]["id"]
    assert again["messages"][2] == asked["messages"][2]
    assert again["tools"] == asked["tools"]


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_json_mode_and_a_fault(playground, tmp_path, kind):
    page = playground(*[ANSWER] * 4, '{"title": "T"}', '{"title": "T"}')
    for count, form in enumerate(("raw", "prompt"), 1):
        page.fill("#form", form)
        page.ask("<|begin_of_text|>All of it")
        page.answers(count)
        assert "very" in run(kind, copied(page, kind), tmp_path)
        asked, again = (request.body for request in page.emulator.requests[-2:])
        assert again["prompt"] == asked["prompt"] == "<|begin_of_text|>All of it"
        assert again.get("raw", False) == asked.get("raw", False) == (form == "raw")
    page.fill("#form", "messages")
    page.fill("#format", "json_schema")
    page.switch_on("latency", "0.01")
    page.ask("A title")
    page.answers(3)
    assert "title" in run(kind, copied(page, kind), tmp_path)
    asked, again = page.emulator.requests[-2:]
    assert again.body["response_format"] == asked.body["response_format"]
    assert again.headers["x-emulator-faults"] == "latency=0.01"


WORKER = """
const [program, done] = arguments;
(async () => {
  const { default: worker } = await import(URL.createObjectURL(new Blob([program], { type: "text/javascript" })));
  const asked = [];
  const run = async (...given) => {
    asked.push(given);
    return given[1].stream ? new Blob(["data: [DONE]"]).stream() : { response: "Hi" };
  };
  const answer = await worker.fetch(new Request("http://127.0.0.1/"), { AI: { run } });
  done({ asked, type: answer.headers.get("content-type"), text: await answer.text() });
})().catch((error) => done(String(error)));
"""


@pytest.mark.parametrize("stream", [True, False])
def test_a_worker_asks_its_binding(playground, stream):
    page = playground(ANSWER)
    if not stream:
        page.the("#stream").click()
    page.fill("#tool-sample", "get_weather")
    page.ask(QUOTES + " `${1}` </script>")
    page.answers()
    [request] = page.emulator.requests
    program = copied(page, "worker")
    page.driver.get("about:blank")  # whose policy lets a program of text run
    shown = page.driver.execute_async_script(WORKER, program)
    assert shown["asked"] == [[request.path.partition("/run/")[2], request.body]]
    assert (shown["type"], shown["text"]) == (
        ("text/event-stream", "data: [DONE]") if stream else ("application/json", '{"response":"Hi"}')
    )
