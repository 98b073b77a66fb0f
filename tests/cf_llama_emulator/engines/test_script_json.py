"""Turns as JSON: what they become, and what is refused by its place."""

import pytest

from cf_llama_emulator.engines.script_json import read_turns
from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Raw
from cf_llama_emulator.wire.errors import FrontError, ServiceError


@pytest.mark.parametrize(
    ("given", "turn"),
    [
        ("Hello", "Hello"),
        (["He", "llo"], ["He", "llo"]),
        ({"call": {"name": "now"}}, Call("now", {})),
        ({"call": {"name": "add", "arguments": {"a": 1}, "id": "c1"}}, Call("add", {"a": 1}, "c1")),
        ({"call": {"name": "add", "arguments": "{broken"}}, Call("add", "{broken")),
        ([{"faults": "cut"}, "Hello"], [Faults("cut"), "Hello"]),
        (["Hel", {"end": {"finish_reason": "length"}}], ["Hel", End("length")]),
        ({"end": {"prompt_tokens": 1, "completion_tokens": 2}}, End("stop", 1, 2)),
        ({"raw": {}}, Raw(chunks=[])),
        (
            {"raw": {"status": 502, "headers": {"a": "b"}, "chunks": ["é"], "pause": 0.5, "cut": True}},
            Raw(502, {"a": "b"}, ["é".encode()], 0.5, cut=True),
        ),
    ],
)
def test_a_turn(given, turn):
    assert read_turns([given]) == [turn]


@pytest.mark.parametrize(
    ("given", "kind", "values"),
    [
        (3040, ServiceError, (429, 3040, "Capacity temporarily exceeded, please try again.")),
        (10000, FrontError, (401, 10000, "Authentication error")),
        ({"status": 418, "code": 1, "text": "no"}, ServiceError, (418, 1, "no")),
    ],
)
def test_an_error(given, kind, values):
    [error] = read_turns([{"error": given}])
    assert (type(error), error.args) == (kind, values)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("Hello", "turns must be a list"),
        ([1], r"^turns\[0\] must be a text, or an object with one of the keys call, end, error, faults, raw$"),
        ([["a", {"tool": {}}]], r"^turns\[0\]\[1\] must be"),
        ([{"faults": "cut", "call": {"name": "f"}}], r"^turns\[0\] must be"),
        ([{"call": {}}], r"^turns\[0\].call: 'name' is a required property$"),
        ([{"call": {"name": 1}}], r"^turns\[0\].call.name: 1 is not of type 'string'$"),
        ([{"call": {"name": "f", "args": {}}}], r"^turns\[0\].call: .*'args' was unexpected"),
        (["a", {"raw": {"chunks": ["a", 1]}}], r"^turns\[1\].raw.chunks\[1\]: 1 is not of type 'string'$"),
        ([{"raw": {"headers": {"a": "b\r\nc: d"}}}], r"^turns\[0\].raw.headers.a: "),
        ([{"error": "3040"}], r"^turns\[0\].error: '3040' is not of type 'integer', 'object'$"),
        ([{"error": {"code": 1}}], r"^turns\[0\].error: 'status' is a required property$"),
    ],
)
def test_what_is_refused(given, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_turns(given)
