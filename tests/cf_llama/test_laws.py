"""Three laws, for every shape of the service: whole equals its one delta folded, a stream folded equals the whole,
and cutting the bytes anywhere changes nothing. The shapes are written here, by no code of the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama import ChatRequest, Reply, Usage
from cf_llama.protocol.response import ResponseReader

SHAPES = ("native", "hybrid", "openai")
TOOL = {"name": "look", "description": "Look", "parameters": {"type": "object", "properties": {}}}

WORDS = ["Hello", " world", " ", "\n", "4", "0", "007", "3e50", "true", "null", "{}", "END", "EN", "D", "<|eot_id|>"]
ODD = ["\u2028", "\u0085", "\u2029", "\x0b", "\x1c", "😀", "🏔️", "日本", "\\", '"', "\r", "data: ", "[DONE]", "<"]
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
STOPPING = st.lists(st.sampled_from(["E", "N", "D", "EN", "ND", "END"]), min_size=2, max_size=4)
TOKENS = st.lists(st.sampled_from(WORDS + ODD) | ANYTHING, max_size=8) | STOPPING
VALUES = st.none() | st.booleans() | st.integers(-9, 10**9) | st.text(max_size=6) | st.just("\u2028😀")
NAMES = st.sampled_from(["host", "port", "größe", "x y"])
ARGUMENTS = st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=2), max_size=3)


@dataclass(frozen=True)
class Said:
    """What the model said, before any shape is put on it."""

    tokens: list[str]
    calls: list[dict]
    prompt_tokens: int
    padding: bool
    increments: bool

    @property
    def completion_tokens(self):
        return len(self.tokens) + 2 * len(self.calls) + 1

    @property
    def usage(self):
        return usage(self.prompt_tokens, self.completion_tokens)


def usage(prompt, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


SAID = st.builds(Said, TOKENS, st.lists(ARGUMENTS, max_size=2), st.integers(1, 20_000), st.booleans(), st.booleans())


def as_number(token):
    """What the service makes of a token that reads as a number; other tokens stay as they are."""
    return int(token) if token.isascii() and token.isdigit() and str(int(token)) == token else token


def openai_calls(said):
    functions = [{"name": "look", "arguments": dumped(call)} for call in said.calls]
    kind = {"type": "function"}
    return [{"index": i, "id": f"chatcmpl-tool-{i}", **kind, "function": each} for i, each in enumerate(functions)]


def native_calls(said):
    return [{"name": "look", "arguments": call} for call in said.calls]


def dumped(value):
    return json.dumps(value, ensure_ascii=False)


def whole(said, shape):
    """The answer of a call without `stream`."""
    text = "".join(said.tokens)
    native = {"response": text, "tool_calls": native_calls(said)}
    message = {"role": "assistant", "content": text, "tool_calls": openai_calls(said)}
    choices = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}]}
    body = {"native": native, "hybrid": native | choices, "openai": choices}[shape] | {"usage": said.usage}
    envelope = {"result": body, "success": True, "errors": [], "messages": []}
    return dumped(body if shape == "openai" else envelope).encode()


def text_event(token, shape):
    native = {"response": as_number(token), "tool_calls": []}
    content = as_number(token) if shape == "openai" else token
    choices = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}
    return {"native": native, "hybrid": native | choices, "openai": choices}[shape]


def call_events(said, shape):
    if shape == "native":
        return [{"response": "", "tool_calls": native_calls(said)}] if said.calls else []
    events = []
    for call in openai_calls(said):
        function, index = call["function"], call["index"]
        half = len(function["arguments"]) // 2
        pieces = [{**call, "function": {"name": "look"}}] + [
            {"index": index, "function": {"arguments": part}}
            for part in (function["arguments"][:half], function["arguments"][half:])
        ]
        for piece in pieces:
            copy = {"tool_calls": [piece["function"]]} if shape == "hybrid" else {}
            events.append({"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}], **copy})
    return events


def streamed(said, shape):
    """The same answer to a call with `stream`."""
    events = [text_event(token, shape) for token in said.tokens] + call_events(said, shape)
    if shape != "native":
        reason = "tool_calls" if said.calls else "stop"
        role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
        events = [role, *events, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
    if said.increments:
        events[:1] = [{**event, "usage": usage(said.prompt_tokens, 0)} for event in events[:1]]
        events[1:] = [{**event, "usage": usage(0, 1)} for event in events[1:]]
    if said.padding:
        events = [{**event, "p": "abdefgh"[: number % 7]} for number, event in enumerate(events)]
    events.append({"response": "", "usage": said.usage})
    return b"".join(b"data: " + dumped(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def deltas_of(body, request, cuts=()):
    reading = ResponseReader(request, 200, httpx.Headers())
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges)]
    return [*(delta for chunk in chunks for delta in reading.feed(chunk)), *reading.finish()]


def plain(reply):
    """A reply without the ids that are made here."""
    return replace(reply, tool_calls=tuple(replace(call, id="", text="") for call in reply.tool_calls))


def folded(deltas):
    return "".join(delta.text for delta in deltas), [call for delta in deltas for call in delta.tool_calls]


def asked(stop):
    return ChatRequest(messages=[{"role": "user", "content": "?"}], tools=[TOOL], stop=stop)


STOPS = st.sampled_from([(), ("END",), ("END", " "), ("\n", "4")])


@pytest.mark.parametrize("shape", SHAPES)
@given(said=SAID, stop=STOPS)
def test_a_whole_answer_is_its_deltas_folded(shape, said, stop):
    deltas = deltas_of(whole(said, shape), asked(stop))
    reply = deltas[-1].reply
    assert folded(deltas) == (reply.text, list(reply.tool_calls))
    assert reply.usage == Usage(**said.usage)


@pytest.mark.parametrize("shape", SHAPES)
@given(said=SAID, stop=STOPS)
def test_a_stream_folded_is_the_whole_answer(shape, said, stop):
    deltas = deltas_of(streamed(said, shape), asked(stop))
    reply = deltas[-1].reply
    assert folded(deltas) == (reply.text, list(reply.tool_calls))
    if not stop:  # a stop ends a stream before its calls and counts have come
        assert plain(reply) == plain(deltas_of(whole(said, shape), asked(stop))[-1].reply)
    else:
        assert reply.text == deltas_of(whole(said, shape), asked(stop))[-1].reply.text


@pytest.mark.parametrize("shape", SHAPES)
@given(said=SAID, stop=STOPS, cuts=st.lists(st.integers(0, 10**6), max_size=12))
def test_cutting_the_bytes_changes_nothing(shape, said, stop, cuts):
    for body in (streamed(said, shape), whole(said, shape)):
        once, cut = deltas_of(body, asked(stop)), deltas_of(body, asked(stop), cuts)
        assert [delta.text for delta in cut] == [delta.text for delta in once]
        assert plain(cut[-1].reply) == plain(once[-1].reply)


@pytest.mark.parametrize("shape", SHAPES)
@given(said=SAID)
def test_the_text_is_what_the_model_said(shape, said):
    """Not merely the same in both: digits, odd separators and emoji arrive as they were."""
    if said.calls or "".join(said.tokens).strip()[:1] in {"{", "["}:
        return
    expected = "".join(said.tokens).replace("<|eot_id|>", "")
    assert deltas_of(streamed(said, shape), ChatRequest(prompt="?"))[-1].reply == Reply(
        text=expected, finish_reason="stop", usage=Usage(**said.usage), model=ChatRequest(prompt="?").model
    )
