"""Calls written as text: recovered when the whole text is nothing else, and only then."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.protocol.text_tool_calls import may_become_call, parse_calls

NAMES = ("f", "get_status")

LEAKS = {
    '{"name": "f", "parameters": {"n": 1}}': [("f", {"n": 1})],
    '{"type": "function", "name": "f", "parameters": {"n": 1}}': [("f", {"n": 1})],
    '{"type": "function", "function": {"name": "f", "arguments": "{\\"n\\": 1}"}}': [("f", {"n": 1})],
    '{"name": "f", "n": 1}': [("f", {"n": 1})],
    '{"name": "f"}': [("f", {})],
    ' [{"name": "f", "arguments": {}}, {"name": "get_status", "arguments": {}}] ': [("f", {}), ("get_status", {})],
    '[\n  {"name": "f", "parameters": {}}\n]': [("f", {})],
    "f(n=1)": [("f", {"n": 1})],
    '[f(n=1), get_status(host="a")]': [("f", {"n": 1}), ("get_status", {"host": "a"})],
    "f.call(n=-1.5, on=True, none=None, many=[1])": [("f", {"n": -1.5, "on": True, "none": None, "many": [1]})],
    "f(n={'a': .5, 'b': 1_0.0}, m={1: 2})": [("f", {"n": {"a": 0.5, "b": 10.0}, "m": {"1": 2}})],
    '```json\n{"name": "f", "parameters": {}}\n```': [("f", {})],
    "```\n[f()]\n```": [("f", {})],
}


@pytest.mark.parametrize("text", LEAKS)
def test_recovers_calls(text):
    assert [(leak.name, json.loads(leak.arguments)) for leak in parse_calls(text, NAMES)] == LEAKS[text]


@pytest.mark.parametrize("text", LEAKS)
def test_no_beginning_of_a_call_is_shown_too_early(text):
    assert all(may_become_call(text[:end], NAMES) is not False for end in range(1, len(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f",
        "Call f(n=1)",
        'Sure: {"name": "f", "parameters": {}}',
        '{"name": "unknown", "parameters": {}}',
        '[{"name": "f"}, {"name": "unknown"}]',
        '{"name": 4}',
        '{"n": 1}',
        "[]",
        "[1, 2]",
        "unknown(n=1)",
        "f(1)",
        "f(n=x)",
        "f(n=__import__('os'))",
        "f(**{})",
        "f(n=1) + 1",
        '{"name": "f"',
        "(" * 1000,
    ],
)
def test_anything_else_is_no_call(text):
    assert parse_calls(text, NAMES) == []


@pytest.mark.parametrize("text", ["Hello", "g(", "<b>", "```sql", "`f`", "get_state"])
def test_other_text_need_not_be_held_back(text):
    assert may_become_call(text, NAMES) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"answer": 1', False),
        ('{"an', False),
        ('{"na', None),
        ('{"nam', None),
        ('{"name"', True),
        ('[{"type"', True),
        ("[1, 2", False),
        ('```json\n{"answer"', False),
        ('```json\n{ "function"', True),
        ("```js", None),
        ("{}", False),
    ],
)
def test_json_tells_by_its_first_key(text, expected):
    assert may_become_call(text, ["get_weather"]) is expected


WORDS = st.text(alphabet="ab._-(c l", max_size=12)


@given(WORDS, st.sets(st.text(alphabet="ab._-cl", min_size=1, max_size=4), max_size=4))
def test_a_name_is_known_by_its_word_as_by_all_openings_there_are(text, names):
    openings = [f"{name}{opening}" for name in names for opening in ("(", ".call(")]
    begun = any(text.lstrip().startswith(opening) for opening in openings)
    may_be = any(opening.startswith(text.lstrip()) for opening in openings) or not text.strip()
    assert may_become_call(text, names) == (True if begun else None if may_be else False)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "parameters": {"version": 1.10, "n": [1e400]}}',
        "[f(version=1.10, n=[1e400])]",
        "f.call(version=1.10, n=(1e400,))",
        "[f(\n  version=1.10,\r\n  n=[1e400])]",
    ],
)
def test_numbers_of_a_leak_stay_as_they_were_written(text):
    [leak] = parse_calls(text, NAMES)
    assert leak.arguments == '{"version": 1.10, "n": [1e400]}'


def test_text_beside_a_number_is_kept_whatever_its_lines_and_bytes():
    [leak] = parse_calls("f(a='''é\n日本''', b='日本', c=2.50)", NAMES)
    assert leak.arguments == '{"a": "é\\n日本", "b": "日本", "c": 2.50}'


def test_a_call_of_many_numbers_takes_no_time_without_end():
    numbers = ", ".join(["1.50"] * 5000)
    [leak] = parse_calls(f"f(n=[{numbers}])", NAMES)
    assert leak.arguments == f'{{"n": [{numbers}]}}'


def test_a_fence_that_is_full_of_blank_lines_takes_no_time_without_end():
    assert parse_calls("```json" + "\n" * 5000 + "x", NAMES) == []
