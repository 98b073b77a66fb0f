"""The page's reader beside the core's, on recorded answers; and the page under every fault there is."""

import json

import httpx
import pytest

from cf_llama import ChatRequest, WorkersAIError
from cf_llama.protocol.response import ResponseReader
from cf_llama_emulator.faults.catalogue import CATALOGUE
from cf_llama_emulator.wire.engine_protocol import Raw
from tests.cf_llama.protocol.test_response import ANSWERS

pytestmark = pytest.mark.browser

SEND = """
const [body, faults, patience, done] = arguments;
(async () => {
  const { Exchange, send } = await import("/playground/send.js");
  const config = await (await fetch("/playground/config.json")).json();
  const exchange = new Exchange(body, faults);
  await send(config, exchange, AbortSignal.timeout(patience), () => {});
  const { reply, failure, stopped } = exchange;
  const calls = (reply.message().tool_calls ?? []).map(({ function: called }) => [called.name, called.arguments]);
  done({ text: reply.text, calls, usage: reply.usage, finish_reason: reply.finishReason, failure, stopped });
})().catch((error) => done({ thrown: String(error) }));
"""
ASKED = {"messages": [{"role": "user", "content": "Say hello"}]}


def send(page, faults="", patience=30_000, **body):
    return page.driver.execute_async_script(SEND, ASKED | body, faults, patience)


def core(body):
    """What the core reads: the reply, or None for a failure."""
    reader = ResponseReader(ChatRequest(messages=ASKED["messages"]), 200, httpx.Headers())
    try:
        return [*reader.feed(body), *reader.finish()][-1].reply
    except WorkersAIError:
        return None


def value(text):
    """Text, or what it means where it is JSON: each reader writes objects in its own way."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def served(path):
    kind = "text/event-stream" if path.suffix == ".sse" else "application/json"
    return Raw(200, {"content-type": kind}, [path.read_bytes()])


@pytest.mark.parametrize("size", [None, 3], ids=["at once", "by three"])
def test_recorded_answers_are_read_as_the_core_reads_them(playground, recorded, size):
    names = sorted(ANSWERS.keys() - {"end-empty.sse", "native-null.json", "native-call-leaked.sse"})
    page = playground(*(served(recorded / name) for name in names))
    for name in names:
        reply = core((recorded / name).read_bytes())
        shown = send(page, f"split={size}" if size else "", stream=name.endswith(".sse"))
        assert value(shown["text"]) == value(reply.text), name
        calls = [(call.name, dict(call.arguments)) for call in reply.tool_calls]
        assert [(called, json.loads(given or "{}")) for called, given in shown["calls"]] == calls, name
        usage = reply.usage and {
            "prompt_tokens": reply.usage.prompt_tokens,
            "completion_tokens": reply.usage.completion_tokens,
        }
        assert shown["usage"] == usage, name


def test_what_the_core_takes_for_a_failure_is_one_on_the_page(playground, recorded):
    paths = [
        *sorted(recorded.glob("failure-*")),
        recorded / "end-truncated.sse",
        recorded / "error-under-success.200.json",
    ]
    page = playground(*map(served, paths))
    for path in paths:
        assert core(path.read_bytes()) is None
        assert send(page, stream=path.suffix == ".sse")["failure"], path.name


def test_recorded_refusals_say_why(playground, recorded):
    paths = [path for path in sorted(recorded.glob("error-*")) if ".200." not in path.name]
    page = playground(*(Raw(int(path.name.split(".")[1]), {}, [path.read_bytes()]) for path in paths))
    for path in paths:
        shown = send(page)
        assert shown["failure"].startswith(f"HTTP {path.name.split('.')[1]}"), path.name
        assert len(shown["failure"]) > len("HTTP 429: "), path.name


ENDLESS = {"hang", "no-answer", "busy"}
"""Faults that keep the page waiting until it is stopped; `no-answer` when it hangs."""


@pytest.mark.parametrize("stream", [True, False])
def test_under_every_fault_there_is_an_answer_or_a_reason(playground, stream):
    page = playground()
    for name in CATALOGUE:
        fault = "no-answer=hang" if name == "no-answer" else name
        shown = send(page, fault, 300 if name in ENDLESS else 30_000, stream=stream)
        assert "thrown" not in shown, name
        assert shown["text"] == "You said: Say hello" or shown["failure"] or shown["stopped"], (name, shown)
