"""What happens to the bytes of an answer, over real sockets."""

import json
import time

import httpx
import pytest

from tests.cf_llama_emulator.client import events_of
from tests.cf_llama_emulator.faults.wire_bytes import ASK, PLAIN, START, WORDS, event


@pytest.mark.parametrize(
    ("how", "start"),
    [
        ("crlf", START.replace(b"\n", b"\r\n") + event("One").replace(b"\n", b"\r\n")),
        ("cr", START.replace(b"\n", b"\r")),
        ("no-space", b'data:{"response"'),
        ("no-blank-lines", START[:-1] + event("One")[:-1]),
        ("fields", b": keep-alive\n\nevent: message\nid: 1\nretry: 1000\n" + START),
        ("blank-data", b"data:\n\n" + START),
        ("malformed", b'data: {"response": \n\n' + START),
        ("bom", b"\xef\xbb\xbf" + START + event("One")),
    ],
)
def test_events_are_framed_otherwise(sent, how, start):
    body = b"".join(sent(f"framing={how}")[0])
    assert body.startswith(start)
    assert body.count(b"\xef\xbb\xbf") == (how == "bom")


@pytest.mark.parametrize("fault", ["framing=crlf", "no-done", "recorded", "error-event"])
def test_an_answer_without_events_is_left_alone_by_what_concerns_streams(sent, fault):
    chunks, answer = sent(fault, stream=False)
    assert json.loads(b"".join(chunks))["result"]["response"] == "".join(WORDS)
    assert answer.headers["content-type"] == "application/json"


def test_a_stream_comes_as_the_gateway_records_it(sent):
    chunks, answer = sent("recorded")
    assert answer.headers["content-type"] == "application/json"
    recorded = json.loads(b"".join(chunks))["streamed_data"]
    assert [item.get("response") for item in recorded][:6] == ["", *WORDS]


@pytest.mark.parametrize(("fault", "size"), [("split=3", 3), ("drip=0.0001", 1)])
def test_pieces_are_small(sent, fault, size):
    chunks, _ = sent(f"{fault}, merge", turn=["Ünö"])
    pieces = b"".join(chunks)
    assert len(chunks) > len(pieces) / size / 3  # the network may join some
    assert len(events_of(pieces.decode())) == 4


def test_all_comes_in_one_piece(sent):
    chunks, _ = sent("merge")
    assert b"".join(chunks).startswith(PLAIN)
    assert len(chunks) == 1


@pytest.mark.parametrize(("fault", "end"), [("cut", httpx.RemoteProtocolError), ("reset", httpx.ReadError)])
def test_what_came_before_a_break_comes_in_one_piece_before_it(sent, fault, end):
    assert sent(f"{fault}=event@3, merge") == ([START + event("One") + event(" zwö")], end)


def test_uneven_events_are_still_merged_and_split(sent):
    assert len(sent("jitter=0.001, merge")[0]) == 1
    assert 9 in map(len, sent("jitter=0.001, split=9")[0])


@pytest.mark.parametrize("how", ["crlf", "fields", "blank-data", "malformed", "bom"])
def test_half_an_event_is_not_framed(sent, how):
    chunks, end = sent(f"cut=byte@1, framing={how}")
    assert end is httpx.RemoteProtocolError
    assert b"".join(chunks).endswith(b"\n" + event("One")[: len(event("One")) // 2])


@pytest.mark.parametrize("how", ["fields", "malformed", "bom"])
def test_a_recorded_stream_has_no_events_to_frame(sent, how):
    assert json.loads(b"".join(sent(f"recorded, framing={how}")[0]))["streamed_data"]


def test_the_recording_of_a_failure_holds_it(sent):
    recorded = json.loads(b"".join(sent("recorded, error-event")[0]))["streamed_data"]
    assert recorded[-1] == {"errors": [{"code": 3043, "message": "Internal server error"}]}


def test_answers_are_late(sent):
    begun = time.monotonic()
    assert sent("latency=0.3", read=2)[1].status_code == 200
    assert time.monotonic() - begun >= 0.3
    assert sent("latency=2", read=0.2) == ([], httpx.ReadTimeout)


def test_events_come_irregularly(sent):
    begun = time.monotonic()
    chunks, _ = sent("jitter=0.1")
    assert b"".join(chunks).startswith(PLAIN)
    assert len(chunks) > 2
    assert 0.01 < time.monotonic() - begun < 5


@pytest.mark.parametrize("stream", [False, True])
def test_bodies_can_be_packed(rules, stream):
    plain = rules.run(ASK | {"stream": stream}, x_emulator_faults="padding=off")
    packed = rules.run(ASK | {"stream": stream}, x_emulator_faults="padding=off, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    with pytest.raises(httpx.DecodingError):
        rules.run(ASK | {"stream": stream}, x_emulator_faults="gzip=broken")


def test_the_content_type_can_be_wrong(rules):
    answer = rules.run(ASK, x_emulator_faults="content-type=text/event-stream")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.json()["success"]
