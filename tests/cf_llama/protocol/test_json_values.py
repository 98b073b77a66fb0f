"""JSON whose numbers stay as they were written."""

from __future__ import annotations

import json

import pytest

from cf_llama.protocol.json_values import (
    MAX_DEPTH,
    InvalidJSON,
    dumps,
    parse,
    parse_exactly,
    text_of,
    to_python,
    without_fence,
)


@pytest.mark.parametrize("text", ["4", "0", "-0", "7.5", "3e+50", "1.50", "12345678901234567890123", "true", "false"])
def test_a_value_that_was_text_is_text_again(text):
    assert text_of(parse_exactly(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", ""),
        ('""', ""),
        ('"7 \\n"', "7 \n"),
        ("{}", "{}"),
        ("[]", "[]"),
        ('{"a":1.50,"b":[true,null,"ü\\""]}', '{"a": 1.50, "b": [true, null, "ü\\""]}'),
    ],
)
def test_any_other_value_is_json_text(value, text):
    assert text_of(parse_exactly(value)) == text


def test_parse_gives_plain_values():
    assert parse('{"a": [1, 1.5, null, "x"]}') == {"a": [1, 1.5, None, "x"]}
    assert parse(b'"\\ud83d"') == "\ud83d"
    assert parse("1" * 400) == int("1" * 400)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', '["\\ud83d", NaN]'])
def test_numbers_that_json_does_not_have_are_refused_by_a_strict_reader(text):
    parse(text)
    with pytest.raises(InvalidJSON):
        parse(text, strict=True)
    assert parse("1e400", strict=True) == float("inf")


def test_exact_values_become_plain():
    text = '{"a": [1, 1.50, -0, null, "1", true, 12345678901234567890]}'
    assert repr(to_python(parse_exactly(text))) == repr(json.loads(text))


def test_what_is_written_is_json_whatever_the_numbers():
    value = {"a": (float("nan"), float("inf")), "b": [{"c": -float("inf")}], "ü": 1.5}
    assert dumps(value) == '{"a": ["NaN", "Infinity"], "b": [{"c": "-Infinity"}], "ü": 1.5}'
    assert dumps({1, 2}, default=list) == "[1, 2]"


@pytest.mark.parametrize("read", [parse, parse_exactly])
@pytest.mark.parametrize("data", ["", "{", "nope", b"\xff", "[" * 100_000])
def test_anything_else_is_bad_json(read, data):
    with pytest.raises(InvalidJSON):
        read(data)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_what_is_parsed_can_be_written_and_what_is_nested_deeper_is_bad_json(opening, closing):
    deep = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
    assert text_of(parse_exactly(deep)) == deep
    for read in (parse, parse_exactly):
        with pytest.raises(InvalidJSON, match="deeper"):
            read(opening + deep + closing)


@pytest.mark.parametrize(
    "dress", ["%s", " %s\n", "```json\n%s\n```", "Here:\n```\n%s\n```\nDone.", "It is %s, I think."]
)
@pytest.mark.parametrize("bare", ['{"a": {"b": [1]}}', '[{"a": 1}, {"a": "```"}]', "[]"])
def test_json_is_found_in_its_dress(dress, bare):
    assert without_fence(dress % bare).strip() == bare


@pytest.mark.parametrize(
    "text", ["", "No.", '{"a": {"b": 1}, "c', 'It is [{"a": 1}, {"a', '```json\n[{"a": 1}', "{" * 100_000, "} {"]
)
def test_no_part_is_taken_for_the_whole(text):
    assert without_fence(text) == text


def test_a_fence_that_is_full_of_blank_lines_takes_no_time_without_end():
    text = "```json" + "\n" * 5000 + "x"
    assert without_fence(text) == text
