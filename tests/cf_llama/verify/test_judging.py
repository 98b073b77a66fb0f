"""Judging is pure and never breaks, whatever a server says."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.verify.answer import Answer, code, data_lines, is_refusal, shape
from cf_llama.verify.experiment import Outcome
from tests.cf_llama.verify.fault_table import EVERYTHING

KEYS = [
    *("result", "success", "errors", "error", "messages", "code", "message", "response", "choices", "delta", "usage"),
    *("tool_calls", "function", "name", "arguments", "id", "index", "finish_reason", "content", "object", "p"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "neurons", "prompt_tokens_details", "cached_tokens"),
    *("responses", "results", "status", "request_id", "internalCode", "streamed_data"),
]
PLAIN = st.none() | st.booleans() | st.integers(-1, 10_000) | st.floats() | st.sampled_from(["", "42", "add", "stop"])
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


def streamed(events):
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


CONTENTS = (
    VALUES.map(lambda value: json.dumps(value).encode())
    | VALUES.map(lambda value: json.dumps({"result": value, "success": True}).encode())
    | st.lists(VALUES, max_size=4).map(streamed)
    | st.binary(max_size=40)
)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "cf-ai-neurons", "retry-after", "cf-ray"]),
    st.sampled_from(["", "1.5", "text/html"]),
)
ANSWERS = st.builds(Answer, st.sampled_from([200, 202, 302, 400, 413, 429, 500]), HEADERS, CONTENTS)


MOST = max(len(experiment.requests) for experiment in EVERYTHING)


@given(st.lists(ANSWERS, min_size=MOST, max_size=MOST))
def test_any_answers_get_a_verdict(answers):
    for experiment in EVERYTHING:
        own = answers[: len(experiment.requests)]
        verdict = experiment.judge(own)
        assert verdict == experiment.judge(own)
        assert (verdict.outcome == Outcome.AS_EXPECTED) == (verdict.seen == verdict.expected)
        assert not verdict.switch or verdict.outcome == Outcome.DIFFERS
        assert not verdict.seen.startswith("cannot be read")
        experiment.follow(own)


BY_NAME = {experiment.name: experiment for experiment in EVERYTHING}
SPOKEN = [{"response": "Hello", "p": "a"}, {"response": "", "usage": {key: 2 for key in KEYS if "_tokens" in key}}]
CALLED = [{"response": "", "tool_calls": [{"name": "add", "arguments": '{"a": 3, "b": 4}'}]}, SPOKEN[1]]


@pytest.mark.parametrize(
    ("name", "answer", "seen"),
    [
        ("stream-usage-once", Answer(200, {}, streamed([*SPOKEN, {"response": "", "usage": None}])), "as null"),
        ("stream-usage-once", Answer(200, {}, streamed([*SPOKEN, {"response": "", "usage": "some"}])), "as zeros"),
        ("stream-usage", Answer(200, {}, streamed([SPOKEN[0], {"response": "", "usage": None}])), "no counts"),
        ("tool-call-streamed", Answer(200, {}, streamed(CALLED)), "arguments as str"),
        ("refusal-form", Answer(400, {"content-type": "application/json"}, b'"no"'), "a JSON str"),
        (
            "refusal-form",
            Answer(400, {"content-type": "application/json"}, b'{"error": "no"}'),
            "an error that is a text",
        ),
        ("no-calls", Answer(200, {}, b'{"response": "Hi", "tool_calls": {"0": []}}'), "{'0': []}"),
    ],
)
def test_what_is_odd_is_named(name, answer, seen):
    verdict = BY_NAME[name].judge([answer])
    assert verdict.outcome == Outcome.DIFFERS
    assert verdict.seen.endswith(seen)


def test_an_experiment_that_fails_does_not_end_the_others():
    failing = replace(BY_NAME["shape"], observe=lambda answers: answers[1])
    verdict = failing.judge([Answer(200)])
    assert verdict.outcome == Outcome.NOT_TESTABLE
    assert verdict.seen.startswith("cannot be read: IndexError")


def test_an_emulator_without_an_answer_is_no_refusal():
    content = b'{"errors": [{"code": 99999, "message": "no such request is recorded"}], "success": false}'
    for name in ("refusal-codes", "unknown-model", "shape"):
        verdict = BY_NAME[name].judge([Answer(404, {}, content)] * 2)
        assert verdict.seen == "the emulator has no answer to this"


@pytest.mark.parametrize(
    ("content", "status", "wanted"),
    [
        (b'{"errors": [{"code": 5007}]}', 400, 5007),
        (b'{"errors": [{"code": "5007"}]}', 400, 5007),
        (b'{"error": [{"code": 2003}]}', 429, 2003),
        (b'{"internalCode": 3021, "httpCode": 429}', 429, 3021),
        (b'{"error": {"code": 5006}}', 400, 5006),
        (b'{"errors": [{"message": "5006: bad input"}]}', 400, 5006),
        (b"error code: 1015", 429, 1015),
        (b'{"object": "error", "code": 400}', 400, None),
        (b"", 502, None),
        (b'{"response": "5006: no"}', 200, None),
        (b'{"error": 5}', 400, None),
    ],
)
def test_a_code_is_found_wherever_it_stands(content, status, wanted):
    assert code(Answer(status, {}, content)) == wanted


def test_success_false_is_a_refusal_under_any_status():
    assert is_refusal(Answer(200, {}, b'{"success": false}'))
    assert not is_refusal(Answer(200, {}, b'{"success": true}'))


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"response": "Hi"}, "native"),
        ({"choices": []}, "openai"),
        ({"choices": [], "response": "", "tool_calls": []}, "hybrid"),
        ({"choices": [], "response": ""}, "hybrid without tool_calls"),
        ({"choices": [], "tool_calls": []}, "hybrid without response"),
        ({"response": "", "object": "chat.completion"}, "hybrid without choices"),
        ({"usage": {}}, "neither response nor choices"),
    ],
)
def test_shapes_are_told_apart(payload, wanted):
    assert shape(payload) == wanted


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_of_data_are_found_in_any_framing(end):
    content = end.join([b"\xef\xbb\xbf: hello", b"data:1", b"", b"id: 2", b"data: [DONE]", b"", b""])
    assert data_lines(Answer(200, {}, content)) == ["1", "[DONE]"]
