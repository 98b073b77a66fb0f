"""Server-sent events after the WHATWG specification, however the bytes are cut."""

from __future__ import annotations

import pytest

from cf_llama import BadResponseError
from cf_llama.protocol.sse import MAX_EVENT_BYTES, EventDecoder


def decoded(*chunks):
    decoder = EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    rest = decoder.flush()
    return events if rest is None else [*events, rest]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": keep-alive\n\nevent: x\nid: 1\nretry: 9\ndata: a\n\n", [b"a"]),
        (b"event: x\n\n", []),
        (b"data\n\ndatabase: x\n\n", []),
        (b"data:\n\n", [b""]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        ("data: a\u2028b\u0085c\x0b\x1cd\n\n".encode(), ["a\u2028b\u0085c\x0b\x1cd".encode()]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\ndata: b", [b"a\nb"]),
        (b"", []),
    ],
)
def test_decodes_events_in_any_cut(stream, events):
    assert decoded(stream) == events
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == events
    for cut in range(len(stream)):
        assert decoded(stream[:cut], b"", stream[cut:]) == events


@pytest.mark.parametrize("start", [b"data: ", b"data: x\ndata: "])
def test_an_event_without_end_does_not_fill_the_memory(start):
    with pytest.raises(BadResponseError, match="larger"):
        EventDecoder().feed(start + bytes(MAX_EVENT_BYTES))


@pytest.mark.parametrize("piece", [b"data:\n", b"x"])
def test_nor_do_its_pieces(piece):
    decoder = EventDecoder()
    with pytest.raises(BadResponseError, match="larger"):  # noqa: PT012 - at one of the pieces
        for _ in range(MAX_EVENT_BYTES // 1_000_000 + 1):
            decoder.feed(piece * 1_000_000)


def test_many_events_may_be_larger_than_one():
    event = b"data: " + bytes(MAX_EVENT_BYTES // 2) + b"\n\n"
    assert len(decoded(event, event, event)) == 3
