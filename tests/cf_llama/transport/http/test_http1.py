"""HTTP/1.1 answers out of bytes, as h11 reads them, however the bytes are cut."""

from __future__ import annotations

import re
from itertools import pairwise

import h11
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cf_llama.transport.http.http1 import MAX_HEAD_BYTES, ResponseParser, request_bytes

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,8}\Z").filter(
    lambda name: name.lower() not in {"connection", "transfer-encoding", "content-length"}
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
OPTIONS = st.sampled_from(["", "Connection: close\r\n", "Connection: Keep-Alive\r\n"])
EXTENSIONS = st.sampled_from(["", ";a=b", ';a="b c"'])


@st.composite
def answers(draw):
    """Bytes of one answer whose end is marked."""
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    status = draw(st.sampled_from([200, 202, 204, 304, 429, 500]))
    body = draw(st.binary(max_size=60))
    head = f"HTTP/1.{draw(st.sampled_from('01'))} {status} So\r\n"
    hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    head = hints + head + "".join(f"{name}: {value}\r\n" for name, value in fields) + draw(OPTIONS)
    if status in {204, 304}:
        return f"{head}\r\n".encode()
    if draw(st.booleans()):
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True) if start < end]
    chunks = b"".join(f"{len(piece):x}{draw(EXTENSIONS)}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    trailers = draw(st.sampled_from([b"", b"x: y\r\n"]))
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n" + trailers + b"\r\n"


def pieces_of(data, cuts):
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def read(pieces):
    answer = ResponseParser()
    body = b"".join([answer.feed(piece) for piece in pieces])
    return answer, body


def outcome(pieces, closed):
    """All that a caller can see of a response, or its refusal."""
    try:
        answer, body = read(pieces)
        if closed:
            answer.close()
    except httpx.RemoteProtocolError as error:
        return str(error)
    return answer.status, answer.headers, body, answer.ended, answer.reusable


def oracle(data):
    """Status, headers, body, and whether the connection may be used again, as h11 says."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    head, body = None, b""
    while True:
        event = connection.next_event()
        match event:
            case h11.Response():
                head = event
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                return head.status_code, list(head.headers), body, connection.their_state is h11.DONE
            case h11.NEED_DATA:
                return None


@given(answers(), st.lists(st.integers(0, 500), max_size=8))
def test_every_answer_is_read_as_h11_reads_it(data, cuts):
    answer, body = read(pieces_of(data, cuts))
    status, headers, wanted, reusable = oracle(data)
    assert (answer.status, body, answer.ended) == (status, wanted, True)
    assert [(name.lower(), value) for name, value in answer.headers] == headers
    assert answer.reusable == reusable


@given(answers(), st.data())
def test_a_part_of_an_answer_is_none(data, drawn):
    part = data[: drawn.draw(st.integers(0, len(data) - 1))]
    answer, _ = read([part])
    assert not answer.ended
    with pytest.raises(httpx.RemoteProtocolError):
        answer.close()


@given(answers(), st.binary(min_size=1, max_size=5))
def test_a_connection_that_says_more_than_asked_is_not_used_again(data, surplus):
    assert not read([data + surplus])[0].reusable
    answer, _ = read([data])
    answer.feed(surplus)
    assert not answer.reusable


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 5000, [])
def test_whatever_comes_ends_in_bytes_or_in_a_protocol_error(data, cuts):
    answer = ResponseParser()
    try:
        for piece in pieces_of(data, cuts):
            answer.feed(piece)
        answer.close()
    except httpx.RemoteProtocolError:
        return
    assert answer.status


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
LARGE = b"x" * 70_000

REFUSED = [
    # who speaks, and in which version
    (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1"),
    (b"HTTP/2 200\r\n\r\n", "not HTTP/1.1"),
    (b"HTTP/0.9 200 OK\r\n" + EMPTY, "not HTTP/1.1"),
    (b"HTTP/2.0 200 OK\r\n" + EMPTY, "not HTTP/1.1"),
    (b"http/1.1 200 OK\r\n" + EMPTY, "not HTTP/1.1"),
    (b"RTSP/1.0 200 OK\r\n" + EMPTY, "not HTTP/1.1"),
    (b"ICY 200 OK\r\n" + EMPTY, "not HTTP/1.1"),
    (b"GET / HTTP/1.1\r\n\r\n", "not HTTP/1.1"),
    (b"\r\n" + OK + EMPTY, "not HTTP/1.1"),
    (b" " + OK + EMPTY, "not HTTP/1.1"),
    (b"HTTP/1.9 200 OK\r\n" + EMPTY, "malformed"),
    # the line of the status
    (b"HTTP/1.1  200 OK\r\n" + EMPTY, "malformed"),
    (b"HTTP/1.1 20 OK\r\n" + EMPTY, "malformed"),
    (b"HTTP/1.1 2000 OK\r\n" + EMPTY, "malformed"),
    (b"HTTP/1.1 200OK\r\n" + EMPTY, "malformed"),
    (b"HTTP/1.1 099 OK\r\n" + EMPTY, "malformed"),
    (b"HTTP/1.1 200 O\x00K\r\n" + EMPTY, "control character"),
    (b"HTTP/1.1 200 O\x1bK\r\n" + EMPTY, "control character"),
    (b"HTTP/1.1 200 a\rContent-Length: 0\r\n\r\n", "malformed"),
    (b"HTTP/1.1 200 OK\n" + EMPTY, "malformed"),
    (OK + b" folded\r\n" + EMPTY, "malformed"),
    # headers
    (OK + b"no colon\r\n\r\n", "malformed"),
    (OK + b"name : x\r\n\r\n", "malformed"),
    (OK + b": x\r\n" + EMPTY, "malformed"),
    (OK + b"a b: x\r\n" + EMPTY, "malformed"),
    (OK + b"a\x00: x\r\n" + EMPTY, "malformed"),
    (OK + b"a: b\x00c\r\n" + EMPTY, "malformed"),
    (OK + b"a: b\rc: d\r\n\r\n", "malformed"),
    (OK + b"a: b\nc: d\r\n" + EMPTY, "malformed"),
    (OK + b"Content-Length: 0\n\n", "malformed"),
    (OK + b"a: b\r\n  c\r\n" + EMPTY, "malformed"),
    (OK + b"Content-Length: 1\r\n 5\r\n\r\nhello", "malformed"),
    (OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "malformed"),
    # two ends, or none that is sure
    (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "Content-Length"),
    (OK + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: 5, 5\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: ,5\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: \r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: -5\r\n\r\n", "Content-Length"),
    (OK + b"Content-Length: +5\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: 5\x0b\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: 0x5\r\n\r\nhello", "Content-Length"),
    (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "Content-Length"),
    (OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "Content-Length"),
    (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n", "Content-Length"),
    (OK + b"Transfer-Encoding: \r\nContent-Length: 5\r\n\r\nhello", "malformed|transfer-encoding"),
    (OK + b"Transfer-Encoding: \r\n\r\nhello", "malformed|transfer-encoding"),
    (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: ,chunked\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: chunked,\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: xchunked\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: identity\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer-encoding"),
    (OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n", "malformed"),
    (OK + b"Transfer-Encoding: chunked\x0c\r\n\r\n", "malformed"),
    (OK + b"Transfer-Encoding : chunked\r\n\r\n", "malformed"),
    # chunks
    (CHUNKED + b"-1\r\n", "chunk size"),
    (CHUNKED + b"0x1\r\nx", "chunk size"),
    (CHUNKED + b"1_0\r\n", "chunk size"),
    (CHUNKED + b" 1\r\nx", "chunk size"),
    (CHUNKED + b"1 \r\nx", "chunk size"),
    (CHUNKED + b"\r\n0\r\n\r\n", "chunk size"),
    (CHUNKED + b"1" * 9999, "[Cc]hunk size"),
    (CHUNKED + b"1\nx\n0\n\n", "chunk size"),
    (CHUNKED + b"1;\nx\r\n0\r\n\r\n", "chunk extension"),
    (CHUNKED + b"1;a\x00\r\nx\r\n0\r\n\r\n", "chunk extension"),
    (CHUNKED + b"1\r\nxyz", "chunk data"),
    (CHUNKED + b"1\r\nx0\r\n\r\n", "chunk data"),
    (CHUNKED + b"0\r\ngarbage\r\n\r\n", "malformed"),
    (CHUNKED + b"0\r\na : b\r\n\r\n", "malformed"),
    (CHUNKED + b"0\r\n\x00\r\n\r\n", "malformed"),
    (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\nhello", "Content-Length"),
    # interim responses
    (b"HTTP/1.1 101 Switching\r\n\r\n", "something else"),
    (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello", "something else"),
    (b"HTTP/1.1 100 So\r\nContent-Length: 5\r\n\r\nhello" + OK + EMPTY, "interim"),
    (b"HTTP/1.1 150 So\r\nContent-Length: 5\r\n\r\nhello" + OK + EMPTY, "interim"),
    (b"HTTP/1.1 103 So\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK + EMPTY, "interim"),
    (b"HTTP/1.1 100 So\r\nConnection: close\r\n\r\n" + OK + EMPTY, "malformed"),
    # without end
    (OK + b"a: " + LARGE + b"\r\n" + EMPTY, "head is larger"),
    (OK + b"a: b\r\n" * 20_000 + EMPTY, "head is larger"),
    (OK + b"a" * (MAX_HEAD_BYTES + 1), "head is larger"),
    (b"HTTP/1.1 200 " + LARGE + b"\r\n" + EMPTY, "head is larger"),
    (b"HTTP/1.1 102 Processing\r\n\r\n" * 5000, "head is larger"),
    (CHUNKED + b"1;a=" + LARGE * 2 + b"\r\nx\r\n0\r\n\r\n", "nothing of its body"),
    (CHUNKED + b"0\r\na: " + LARGE * 2 + b"\r\n\r\n", "nothing of its body"),
    (CHUNKED + b"0\r\n" + b"a: b\r\n" * 30_000 + b"\r\n", "nothing of its body"),
    # cut off
    (b"", "without an answer"),
    (b"HTTP/1.1 100 So\r\n\r\n", "before its answer was complete"),
    (OK + b"Content-Length: 5\r\n\r\nhell", "before its answer was complete"),
    (CHUNKED + b"5\r\nhello\r\n", "before its answer was complete"),
    (CHUNKED + b"0\r\n", "before its answer was complete"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=range(len(REFUSED)))
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_is_not_allowed_is_named(data, message, step):
    step = max(step, len(data) // 1000)
    said = outcome([data[start : start + step] for start in range(0, len(data), step)], closed=True)
    assert isinstance(said, str), said
    assert re.search(message, said)


WHOLE = [
    OK + b"Content-Length: 5 \r\n\r\nhello",
    OK + b"\r\nhello",
    OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello\r\n",
    OK + b"Connection: x, close\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"a: \xff\r\nb:\r\nContent-Length: 2\r\n\r\n\r\n",
    OK + b"Content-Length: 2\r\n\r\n\r\n\r\n",
    OK + b"Content-Length: 2\r\n\r\nok" + OK + EMPTY,
    b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 103 So\r\nLink: x\r\n\r\n" + OK + EMPTY,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + EMPTY,
    CHUNKED + b"5;a=b\r\nhello\r\n0\r\nb: c\r\n\r\n\r\n",
    CHUNKED + b"0005\r\nhello\r\n00\r\n\r\n",
    OK
    + b"a: "
    + b"x" * 60_000
    + b"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nb: "
    + b"x" * 60_000
    + b"\r\n\r\n",
]


@given(st.sampled_from([*WHOLE, *(data for data, _ in REFUSED)]), st.lists(st.integers(0, 200_000)), st.booleans())
def test_how_the_bytes_are_cut_makes_no_difference(data, cuts, closed):
    assert outcome(pieces_of(data, cuts), closed) == outcome([data], closed)


@given(answers(), st.binary(max_size=20), st.lists(st.integers(0, 500), max_size=8), st.booleans())
def test_how_an_answer_and_what_follows_are_cut_makes_no_difference(data, surplus, cuts, closed):
    assert outcome(pieces_of(data + surplus, cuts), closed) == outcome([data + surplus], closed)


def test_many_hints_may_come_before_the_answer():
    answer, body = read([b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + OK + b"Content-Length: 2\r\n\r\nok"])
    assert (answer.status, body, answer.reusable) == (200, b"ok", True)


def test_without_a_mark_the_answer_ends_with_the_connection():
    answer, body = read([OK + b"\r\n", b"some", b"thing"])
    assert (body, answer.ended) == (b"something", False)
    answer.close()
    assert answer.ended
    assert not answer.reusable


@pytest.mark.parametrize("data", [b"\r\n", b"\n", b"\r", b"HTTP", OK + EMPTY, b"\0"])
@pytest.mark.parametrize("head", [b"Content-Length: 2\r\n\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_nothing_that_follows_an_answer_goes_unnoticed(head, data):
    assert read([OK + head])[0].reusable
    assert not read([OK + head + data])[0].reusable


def test_a_request_is_written_out():
    request = httpx.Request("POST", "http://x/a b?c=d", headers={"A": "b"}, content=b"{}")
    assert request_bytes(request) == b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_a_header_that_would_end_its_line_is_not_sent(value):
    with pytest.raises(httpx.LocalProtocolError):
        request_bytes(httpx.Request("POST", "http://x", headers={"a": value}))
