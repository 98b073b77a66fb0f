"""Whole answers and streams as they were recorded, however their bytes are cut."""

from __future__ import annotations

import json
import logging

import httpx
import pytest

from cf_llama import (
    BadResponseError,
    CapacityError,
    ChatRequest,
    QuotaExceededError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
    Usage,
    WorkersAIError,
)
from cf_llama.protocol.response import MAX_BODY_BYTES, ResponseReader

PARAMETERS = {"type": "object", "properties": {"host": {"type": "string"}, "port": {"type": "integer"}}}
GET_STATUS = {"name": "get_status", "description": "State of a host", "parameters": PARAMETERS}
ASKED = ChatRequest(messages=[{"role": "user", "content": "?"}], tools=[GET_STATUS])
LOOK = ("get_status", {"host": "web-1"})

# file: text, calls, finish reason, (prompt, completion, total, cached, neurons)
ANSWERS = {
    "native-text.sse": ("We're looking at Zürich 🏔️.", [], "stop", (169, 48, 217, 0, None)),
    "native-numbers.sse": ("Call 155724 or 3e+500true {}[] 1.502.50.", [], "stop", (20, 12, 32, 0, None)),
    "native-call-whole.sse": (
        "Let me look. ",
        [("get_status", {"host": "web-1", "port": 443})],
        "tool_calls",
        (169, 22, 191, 0, None),
    ),
    "native-call-fragments.sse": ("", [LOOK], "tool_calls", (169, 22, 191, 0, None)),
    "native-call-leaked.sse": ("", [LOOK], "tool_calls", (169, 22, 191, 0, None)),
    "hybrid-text.sse": ("Hello!", [], "stop", (26, 2, 28, 0, pytest.approx(1.10297))),
    "hybrid-numbers.sse": ("Seven is 7 \n0", [], "stop", (15, 4, 19, 0, None)),
    "hybrid-text-beside-role.sse": ("Hello there", [], "stop", None),
    "hybrid-call-fragmented.sse": ("", [LOOK], "tool_calls", (210, 17, 227, 0, None)),
    "hybrid-calls-parallel.sse": (
        "",
        [("get_status", {"host": "a", "port": 80}), ("get_status", {"host": "b"})],
        "tool_calls",
        (210, 34, 244, 0, None),
    ),
    "hybrid-call-whole.sse": ("", [LOOK], "tool_calls", None),
    "openai-numbers.sse": ("The answer is 60.", [], "stop", (41, 4, 45, 16, pytest.approx(1.9125956))),
    "openai-increments-only.sse": ("ABC", [], "stop", (11, 5, 16, 0, 1.5)),
    "stream-quirks.sse": ("no space, line\u2028separator\u0085", [], "stop", None),
    "end-without-done.sse": ("Hello", [], "stop", (9, 1, 10, 0, None)),
    "end-empty.sse": ("", [], "stop", None),
    "native-text.json": ("Hello, World!", [], "stop", (26, 12, 38, 0, None)),
    "native-call.json": ("", [("get_status", {"host": "1054", "port": 443})], "tool_calls", (623, 20, 643, 0, None)),
    "native-empty-call.json": ("Nothing to call.", [], "stop", None),
    "native-number.json": ("3e+50", [], "stop", (26, 3, 29, 0, None)),
    "native-zero.json": ("0", [], "stop", None),
    "native-bool.json": ("false", [], "stop", None),
    "native-null.json": ("", [], "stop", None),
    "native-object.json": ('{"city": "Zürich", "mean": 9.30, "tags": ["old", null, true]}', [], "stop", None),
    "native-leaked.json": ("", [LOOK], "tool_calls", None),
    "hybrid-json.json": ('{"score": 4}', [], "stop", (388, 63, 451, 0, 23.24979019165039)),
    "hybrid-call.json": ("", [LOOK], "tool_calls", (210, 17, 227, 0, None)),
    "openai-text.json": ("Hello", [], "length", (9, 1, 10, 0, None)),
    "page-bare-text.json": ("Hello as bare text", [], "stop", None),
    "gateway-recording.json": ("Hel10", [], "stop", (9, 2, 11, 0, None)),
}


def read(body, size=None, request=ASKED, headers=()):
    reading = ResponseReader(request, 200, httpx.Headers(headers))
    size = size or len(body) or 1
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return [*(delta for chunk in chunks for delta in reading.feed(chunk)), *reading.finish()]


@pytest.mark.parametrize("size", [None, 1, 7], ids=["at once", "by byte", "by seven"])
@pytest.mark.parametrize("name", ANSWERS)
def test_reads_what_was_recorded(name, size, recorded):
    text, calls, finish_reason, usage = ANSWERS[name]

    deltas = read((recorded / name).read_bytes(), size)

    reply = deltas[-1].reply
    assert reply.text == text
    assert [(call.name, call.arguments) for call in reply.tool_calls] == calls
    assert reply.finish_reason == finish_reason
    assert reply.usage == (usage and Usage(*usage))
    assert "".join(delta.text for delta in deltas) == text
    assert tuple(call for delta in deltas for call in delta.tool_calls) == reply.tool_calls


def test_every_recorded_answer_is_read_by_some_test(recorded):
    names = {path.name for path in recorded.iterdir() if not path.name.startswith(("error-", "failure-", "README"))}
    assert names == {*ANSWERS, "end-truncated.sse"}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("hybrid-call-fragmented.sse", ["chatcmpl-tool-5b1f0c7a"]),
        ("hybrid-calls-parallel.sse", ["chatcmpl-tool-aa01", "chatcmpl-tool-aa02"]),
        ("native-call-fragments.sse", ["chatcmpl-tool-77d0"]),
        ("hybrid-call.json", ["chatcmpl-tool-4f2a"]),
    ],
)
def test_keeps_the_ids_of_the_service(name, ids, recorded):
    assert [call.id for call in read((recorded / name).read_bytes())[-1].reply.tool_calls] == ids


def test_reports_the_model_asked_for_and_what_the_headers_tell(recorded):
    headers = {"cf-ray": "8f-ZRH", "cf-ai-req-id": "r1", "cf-ai-neurons": "1.98", "cf-aig-cache-status": "HIT"}
    reply = read((recorded / "hybrid-json.json").read_bytes(), headers=headers)[-1].reply
    assert reply.model == "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    response_metadata = reply.response_metadata
    assert (
        response_metadata.ray_id,
        response_metadata.request_id,
        response_metadata.neurons,
        response_metadata.cache_status,
    ) == (
        "8f-ZRH",
        "r1",
        1.98,
        "HIT",
    )


def test_a_truncated_stream_is_an_error_that_keeps_the_text(recorded):
    with pytest.raises(StreamInterruptedError) as caught:
        read((recorded / "end-truncated.sse").read_bytes(), headers={"cf-ray": "8f-ZRH"})
    assert caught.value.partial.text == "Hello"
    assert caught.value.partial.finish_reason == ""
    assert caught.value.ray_id == "8f-ZRH"
    assert not caught.value.is_retryable


def test_text_that_was_held_back_is_kept_too():
    body = b'data: {"response":"1 <"}\n\n'
    with pytest.raises(StreamInterruptedError) as caught:
        read(body, request=ChatRequest(prompt="?", stop=("<end>",)))
    assert caught.value.partial.text == "1 <"


@pytest.mark.parametrize("form", ["errors", "error", "error-text", "name", "success"])
def test_an_error_in_mid_stream_is_raised_and_keeps_the_text(form, recorded):
    with pytest.raises(StreamInterruptedError, match="Internal server error") as caught:
        read((recorded / f"failure-{form}.sse").read_bytes())
    assert caught.value.partial.text == "Half an"
    assert caught.value.code == (None if form == "error-text" else 3043)
    assert not caught.value.is_retryable


def test_an_error_before_any_text_is_the_error_itself():
    body = b'data: {"errors":[{"code":3040,"message":"Capacity temporarily exceeded, please try again."}]}\n\n'
    with pytest.raises(CapacityError) as caught:
        read(body)
    assert caught.value.is_retryable


def test_a_failure_under_status_200_is_a_failure(recorded):
    with pytest.raises(ServiceError) as caught:
        read((recorded / "error-under-success.200.json").read_bytes())
    assert (caught.value.code, caught.value.status, caught.value.message) == (3043, 200, "Internal server error")


@pytest.mark.parametrize(
    ("name", "kind"), [("error-quota.429.json", QuotaExceededError), ("error-gateway.429.json", RateLimitError)]
)
def test_a_refusal_is_recognised_without_its_status(name, kind, recorded):
    with pytest.raises(kind):
        read((recorded / name).read_bytes())


@pytest.mark.parametrize(
    "body",
    [b"{}", b"null", b"[]", b"7", b'{"result":{},"success":true}', b"<html><title>Busy</title></html>", b'{"resp'],
)
def test_a_body_that_is_no_answer_is_an_error(body):
    with pytest.raises(BadResponseError) as caught:
        read(body)
    assert not caught.value.is_retryable


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_body_is_an_error_that_can_pass(body):
    with pytest.raises(BadResponseError, match="the answer is empty") as caught:
        read(body)
    assert caught.value.is_retryable


def test_a_page_of_text_is_shown_in_the_error():
    with pytest.raises(WorkersAIError, match="error code: 1015"):
        read(b"error code: 1015")


def test_a_body_without_end_does_not_fill_the_memory():
    reading = ResponseReader(ASKED, 200, httpx.Headers())
    chunk = b'"' + bytes(MAX_BODY_BYTES // 2)
    list(reading.feed(chunk))
    with pytest.raises(BadResponseError, match="larger"):
        list(reading.feed(chunk))


@pytest.mark.parametrize("rest", [b'data: {"response":"ab"}\n\n' * 40, b"data: " + b"x" * 999])
def test_a_stream_without_end_is_an_error_that_keeps_the_text(rest, monkeypatch):
    monkeypatch.setattr("cf_llama.protocol.response.MAX_BODY_BYTES", 100_000)
    reading = ResponseReader(ASKED, 200, httpx.Headers())
    assert [delta.text for delta in reading.feed(b'data: {"response":"Hi"}\n\n')] == ["Hi"]
    with pytest.raises(StreamInterruptedError, match="larger") as caught:  # noqa: PT012 - at one of the pieces
        for _ in range(101):
            list(reading.feed(rest))
    assert caught.value.partial.text.startswith("Hi")
    assert not caught.value.is_retryable


@pytest.mark.parametrize("body", [b'{"response":%b}', b'data: {"response":%b}\n\n'])
def test_an_answer_nested_deeper_than_any_is_an_error(body):
    with pytest.raises((BadResponseError, StreamInterruptedError)):
        read(body % (b'{"a":' * 600 + b"1" + b"}" * 600))


def test_nothing_after_done_counts():
    body = b'data: {"response":"a"}\n\ndata: [DONE]\n\ndata: {"response":"b"}\n\n'
    assert read(body)[-1].reply.text == "a"


def test_events_without_a_blank_line_between_them_are_read():
    body = b'data: {"response":"a"}\ndata: {"response":4}\ndata: [DONE]\n'
    assert read(body)[-1].reply.text == "a4"


def test_a_skipped_event_is_logged_without_its_content(caplog):
    with caplog.at_level(logging.DEBUG, "cf_llama"):
        read(b"data: my secret\n\ndata: [DONE]\n\n")
    assert "no JSON" in caplog.text
    assert "secret" not in caplog.text


BROKEN = [
    b'{"response":" wor',
    b'{"response": "a\tb"}',
    b"{'response': 'lo'}",
    b'[{"response": "lo"}]',
    b"7",
    b'{"response": {"a": 1}',
    b'{"choices":[{"delta":{"content":"lo"}}',
    b'{"tool_calls":[{"name":"f","arguments":{}]}',
    b'{"response":%s}' % (b"[" * 300 + b"]" * 300),
]
UNKNOWN = [  # what holds an answer, in a type that nothing is known to write
    {"choices": {"0": {"message": {"content": "lo"}}}},
    {"choices": "lo"},
    {"choices": ["lo"]},
    {"choices": [{"delta": "lo"}]},
    {"choices": [{"delta": [{"type": "text", "text": "lo"}]}]},
    {"choices": [{"delta": {"tool_calls": {"name": "f"}}}]},
    {"choices": [{"delta": {"tool_calls": ["f"]}}]},
    {"choices": [{"delta": {"tool_calls": [{"function": "f"}]}}]},
    {"response": "", "tool_calls": '[{"name": "f"}]'},
    {"response": 4, "tool_calls": {"name": "f", "arguments": {}}},
]


@pytest.mark.parametrize("broken", [*BROKEN, *(json.dumps(event).encode() for event in UNKNOWN)])
def test_an_event_whose_text_cannot_be_read_is_not_left_out(broken):
    end = b'data: {"choices":[{"finish_reason":"stop","delta":{}}]}\n\ndata: [DONE]\n\n'
    with pytest.raises(StreamInterruptedError) as caught:
        read(b'data: {"response":"Hel"}\n\ndata: %b\n\n%b' % (broken, end))
    assert (caught.value.partial.text, caught.value.is_retryable) == ("Hel", False)
    with pytest.raises(ServiceError, match="cannot be read"):
        read(b"data: %b\n\n%b" % (broken, end))


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_a_whole_answer_of_unknown_types_is_an_error_without_its_text(unknown):
    with pytest.raises(BadResponseError, match="holds a value of an unknown type") as caught:
        read(json.dumps(unknown).replace("delta", "message").encode(), headers={"cf-ray": "8f-ZRH"})
    assert (caught.value.status, caught.value.ray_id, caught.value.is_retryable) == (200, "8f-ZRH", False)


@pytest.mark.parametrize(
    "nothing",
    [
        {"response": "a", "choices": [None], "tool_calls": {}},
        {"response": "a", "choices": "", "tool_calls": [{}, None, ""]},
    ],
)
def test_types_do_not_matter_where_nothing_is_said(nothing):
    assert read(json.dumps(nothing).encode())[-1].reply.text == "a"


def test_a_stream_of_another_service_is_not_an_empty_answer():
    event = b'data: {"type":"content_block_delta","delta":{"text":"Hello"}}\n\n'
    with pytest.raises(BadResponseError, match="no event of the stream is of a known form"):
        read(event + b"data: [DONE]\n\n")
    assert read(event + b'data: {"response":"a"}\n\ndata: [DONE]\n\n')[-1].reply.text == "a"


def test_a_stop_sequence_makes_the_rest_useless():
    reading = ResponseReader(ChatRequest(prompt="?", stop=("END",)), 200, httpx.Headers())
    texts = [delta.text for delta in reading.feed(b'data: {"response":"a EN"}\n\ndata: {"response":"D b"}\n\n')]
    assert (texts, reading.done) == (["a "], True)
    (last,) = reading.finish()
    assert (last.reply.text, last.reply.finish_reason) == ("a ", "stop")


@pytest.mark.parametrize(
    "after",
    [{"tool_calls": [{"name": "get_status", "arguments": {}}]}, {"error": "no"}, {"usage": {"prompt_tokens": 1}}],
)
def test_nothing_after_a_stop_sequence_counts_however_it_is_cut(after):
    events = [b'data: {"response":"a END b"}\n\n', b"data: " + json.dumps(after).encode() + b"\n\n"]
    for chunks in (events, [b"".join(events)]):
        reading = ResponseReader(
            ChatRequest(messages=ASKED.messages, tools=[GET_STATUS], stop=("END",)), 200, httpx.Headers()
        )
        for chunk in chunks:
            if not reading.done:
                list(reading.feed(chunk))
        last = list(reading.finish())[-1]
        assert (last.reply.text, last.reply.tool_calls, last.reply.usage) == ("a ", (), None)


def test_delivery_starts_with_the_first_delta():
    reading = ResponseReader(ChatRequest(prompt="?"), 200, httpx.Headers())
    list(reading.feed(b'data: {"response":""}\n\n'))
    assert not reading.delivered
    list(reading.feed(b'data: {"response":"a"}\n\n'))
    assert reading.delivered
