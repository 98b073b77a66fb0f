"""The tokens that an answer of the service tells."""

import json

import pytest

from cf_llama.protocol.request import ChatRequest
from cf_llama.protocol.response import ResponseReader
from cf_llama_emulator.server.usage_reader import UsageReader
from tests.cf_llama.protocol.test_response import ANSWERS


def read(body, size=1000):
    reader = UsageReader()
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    return reader.finish()


def core(body):
    reader = ResponseReader(ChatRequest(messages=[{"role": "user", "content": "Say hello"}]), 200, {})
    usage = [*reader.feed(body), *reader.finish()][-1].reply.usage
    return usage and (usage.prompt_tokens, usage.completion_tokens)


@pytest.mark.parametrize("size", [3, 10_000])
def test_recorded_answers_are_read_as_the_core_reads_them(recorded, size):
    for name in sorted(ANSWERS.keys() - {"end-empty.sse"}):
        body = (recorded / name).read_bytes()
        assert read(body, size) == core(body), name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"data: [DONE]\n\n",
        b'data: {"usage": 7}\n\n',
        b'{"result": [], "usage": null}',
        b"[" * 100_000,
        b'{"errors": []}',
        b'{"usage": {"prompt_tokens": 1, "completion_tokens": 1}, "x": "' + b"x" * 10_000_000 + b'"}',
    ],
    ids=lambda body: str(body[:30]),
)
def test_what_tells_none_is_none(body):
    assert read(body, 1 << 20) is None


@pytest.mark.parametrize("value", ["7", None, -1, float("nan"), float("inf"), 1e300, []])
def test_counts_that_are_none_are_nothing(value):
    usage = {"prompt_tokens": 3, "completion_tokens": value}
    assert read(json.dumps({"result": {"usage": usage}}).encode()) == (3, 0)
