"""HTTP/1.1 answers out of bytes, as h11 reads them, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import h11
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cf_llama.http.http1 import MAX_HEAD_BYTES, Answer, request_bytes

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,8}\Z").filter(
    lambda name: name.lower() not in {"connection", "transfer-encoding", "content-length"}
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
OPTIONS = st.sampled_from(["", "Connection: close\r\n", "Connection: Keep-Alive\r\n"])
EXTENSIONS = st.sampled_from(["", ";a=b", "  "])


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
    answer = Answer()
    body = b"".join([answer.feed(piece) for piece in pieces])
    return answer, body


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
    answer = Answer()
    try:
        for piece in pieces_of(data, cuts):
            answer.feed(piece)
        answer.close()
    except httpx.RemoteProtocolError:
        return
    assert answer.status


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "something else"),
        (OK + b"no colon\r\n\r\n", "malformed"),
        (OK + b"name : x\r\n\r\n", "malformed"),
        (OK + b"a: b\rc: d\r\n\r\n", "malformed"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "content-length"),
        (OK + b"Content-Length: -5\r\n\r\n", "content-length"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer-encoding"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\n", "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\n", "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz", "longer than its size"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\nx\n", "before its answer was complete"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 9999, "size of a chunk"),
        (OK + b"a" * (MAX_HEAD_BYTES + 1), "head is larger"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "content-length"),
        (b"\r\n" * MAX_HEAD_BYTES, "no answer has come"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 5000, "no answer has come"),
        (b"", "without an answer"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_is_not_allowed_is_named(data, message, step):
    answer = Answer()
    step = max(step, len(data) // 1000)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    with pytest.raises(httpx.RemoteProtocolError, match=message):  # noqa: PT012 - some at a piece, some at the end
        for piece in pieces:
            answer.feed(piece)
        answer.close()


def test_many_hints_may_come_before_the_answer():
    answer, body = read([b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + OK + b"Content-Length: 2\r\n\r\nok"])
    assert (answer.status, body, answer.reusable) == (200, b"ok", True)


def test_without_a_mark_the_answer_ends_with_the_connection():
    answer, body = read([OK + b"\r\n", b"some", b"thing"])
    assert (body, answer.ended) == (b"something", False)
    answer.close()
    assert answer.ended
    assert not answer.reusable


def test_who_marks_the_end_twice_is_not_trusted_with_another_request():
    answer, body = read([OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"])
    assert (body, answer.ended, answer.reusable) == (b"x", True, False)


def test_a_folded_header_is_one():
    assert read([OK + b"a: b\r\n  c\r\nContent-Length: 0\r\n\r\n"])[0].headers[0] == (b"a", b"b c")


def test_a_request_is_written_out():
    request = httpx.Request("POST", "http://x/a b?c=d", headers={"A": "b"}, content=b"{}")
    assert request_bytes(request) == b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_a_header_that_would_end_its_line_is_not_sent(value):
    with pytest.raises(httpx.LocalProtocolError):
        request_bytes(httpx.Request("POST", "http://x", headers={"a": value}))
