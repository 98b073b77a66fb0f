"""Where an answer ends before its end, over real sockets."""

import json

import httpx
import pytest

from cf_llama_emulator.faults.stream_breaks import ERROR_EVENTS, parts
from tests.cf_llama_emulator.faults.wire_bytes import PLAIN, START, event

CUT = event(" zwö")[: event(" zwö").index(b"\xb6")]
PLACES = [
    ("event@0", b""),
    ("event@2", START + event("One")),
    ("byte@2", START + event("One") + event(" zwö")[: len(event(" zwö")) // 2]),
    ("character@1", START + event("One") + CUT),
    ("start", b""),
]


@pytest.mark.parametrize(("place", "body"), PLACES)
@pytest.mark.parametrize(
    ("fault", "end"), [("cut", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("hang", httpx.ReadTimeout)]
)
def test_an_answer_breaks_off(sent, fault, end, place, body):
    chunks, ended = sent(f"{fault}={place}")
    assert (b"".join(chunks), ended) == (body, end)


@pytest.mark.parametrize(
    ("fault", "end"), [("cut", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("hang", httpx.ReadTimeout)]
)
def test_a_connection_breaks_behind_the_end_mark(sent, fault, end):
    chunks, ended = sent(f"{fault}=end")
    assert b"".join(chunks).startswith(PLAIN)
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")
    assert ended is end


@pytest.mark.parametrize(("place", "body"), PLACES)
def test_an_answer_can_end_early_as_if_it_were_all(sent, place, body):
    chunks, answer = sent(f"truncate={place}")
    assert (b"".join(chunks), answer.status_code) == (body, 200)


@pytest.mark.parametrize("fault", ["cut", "truncate"])
def test_a_whole_answer_breaks_in_its_middle(sent, fault):
    chunks, ended = sent(fault, stream=False)
    assert b"".join(chunks).startswith(b'{"result":{"response":"One')
    assert not b"".join(chunks).endswith(b"}")
    assert (ended is httpx.RemoteProtocolError) == (fault == "cut")


def test_an_answer_without_the_place_comes_whole_before_it_breaks(sent):
    chunks, ended = sent("cut=event@99")
    assert chunks[-1] == b"data: [DONE]\n\n"
    assert ended is httpx.RemoteProtocolError


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("how", "end"), [("close", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("hang", httpx.ReadTimeout)]
)
def test_no_answer_comes(sent, stream, how, end):
    assert sent(f"no-answer={how}", stream=stream) == ([], end)


def test_a_refusal_breaks_off_too(sent):
    chunks, ended = sent("page, cut=byte@1")
    assert b"".join(chunks).startswith(b"<!DOCTYPE html>")
    assert ended is httpx.RemoteProtocolError


@pytest.mark.parametrize("form", ERROR_EVENTS)
def test_a_stream_ends_with_an_error(sent, form):
    chunks, answer = sent(f"error-event={form}@2")
    *before, last = b"".join(chunks).split(b"\n\n")[:-1]
    assert b"\n\n".join([*before, b""]) == START + event("One")
    assert json.loads(last.removeprefix(b"data: ")) == ERROR_EVENTS[form]
    assert answer.status_code == 200


def test_an_error_can_come_last(sent):
    chunks, _ = sent("error-event=text@99")
    assert b"".join(chunks).endswith(b'data: {"error":"Internal server error"}\n\n')


def test_the_end_mark_is_missing(sent):
    body = b"".join(sent("no-done")[0])
    assert body.startswith(PLAIN)
    assert b"[DONE]" not in body


@pytest.mark.parametrize(
    ("chunk", "cut"),
    [
        (b"data: 1\n\ndata: 2\n\n", [b"data: 1\n\n", b"data: 2\n\n"]),
        (b"12345678", [b"12", b"34", b"56", b"78"]),
        (b"123", [b"1", b"2", b"3"]),
        (b"", []),
    ],
)
def test_a_chunk_has_parts(chunk, cut):
    assert parts(chunk) == cut
