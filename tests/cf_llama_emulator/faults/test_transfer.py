"""What happens to the bytes of an answer, over real sockets."""

import json
import time

import httpx
import pytest

from cf_llama_emulator.faults.transfer import ERROR_EVENTS, parts
from tests.cf_llama_emulator.client import MODEL, ask_user, events_of

ASK = ask_user("Hello")
WORDS = ["One", " zwö", "lf", " drei", " vier"]


@pytest.fixture
def sent(script):
    """Return a function that gives the chunks of an answer and how it ended."""

    def send(faults, *, stream=True, turn=WORDS, read=0.5, **settings):
        client = script(turn, padding=False, **settings)
        url, headers = f"{client.account}/ai/run/{MODEL}", {"x-emulator-faults": faults}
        chunks, timeout = [], httpx.Timeout(5, read=read)
        try:
            with client.http.stream(
                "POST", url, json=ASK | {"stream": stream}, headers=headers, timeout=timeout
            ) as answer:
                chunks.extend(answer.iter_raw())
        except httpx.HTTPError as error:
            return chunks, type(error)
        return chunks, answer

    return send


START = b'data: {"response":"","tool_calls":[]}\n\n'


def event(text):
    return b'data: {"response":%b,"tool_calls":[]}\n\n' % json.dumps(text, ensure_ascii=False).encode()


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


PLAIN = START + b"".join(map(event, WORDS))


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


def test_the_end_mark_is_missing(sent):
    body = b"".join(sent("no-done")[0])
    assert body.startswith(PLAIN)
    assert b"[DONE]" not in body


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
