import base64
import html
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cf_llama_emulator.cassettes import credentials
from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece, dump, load
from cf_llama_emulator.cassettes.scrub import Scrubber, user_patterns

ACCOUNT = "fedcba9876543210fedcba9876543210"
JSON, SSE, HTML = "application/json", "text/event-stream", "text/html; charset=UTF-8"
MAIL = user_patterns([r"[\w.]+@[\w.]+\w"])


def scrubbed(scrubber, *chunks, kind=JSON, status=200):
    pieces = [Piece(0.5, chunk) for chunk in chunks]
    exchange = Exchange(method="POST", route="r", status=status, headers={"content-type": kind}, pieces=pieces)
    result = scrubber.exchange(exchange).pieces
    assert [piece.wait for piece in result] == [0.5] * len(chunks)
    return [piece.content for piece in result]


def sse(*increments, key="response"):
    return [f"data: {json.dumps({key: increment})}\n\n".encode() for increment in increments]


def test_nothing_changes_where_nothing_is_found():
    chunks = [b'data: {"response":"caf\xc3', b'\xa9","p":"a\\u00e9"}\n\n', b"data: [DONE]\n\n\xff"]
    assert scrubbed(MAIL, *chunks, kind=SSE) == chunks


def test_a_text_in_json_is_found_by_what_it_means():
    content = b'{"result":{"response":"caf\\u00e9 \\"jane@example.com\\" ","n":1}}'
    [found] = scrubbed(user_patterns(['café "jane@example.com"']), content)
    assert json.loads(found) == {"result": {"response": "<scrubbed> ", "n": 1}}


def test_a_number_becomes_a_text_and_json_stays_json():
    [found] = scrubbed(user_patterns([r"\d{10}"]), b'{"response":4155551234,"tokens":[12,4155551234]}')
    assert json.loads(found) == {"response": "<scrubbed>", "tokens": [12, "<scrubbed>"]}


def test_a_text_across_pieces_is_found():
    assert scrubbed(MAIL, b"Mail jan", b"e@exam", b"ple.com now", kind="text/plain") == [
        b"Mail <scrubbed>",
        b"",
        b" now",
    ]


def test_a_text_across_events_is_found():
    found = scrubbed(MAIL, *sse("Mail ", "jane", "@example", ".com", " now"), kind=SSE)
    assert [json.loads(event[6:])["response"] for event in found] == ["Mail ", "<scrubbed>", "", "", " now"]


def test_both_copies_of_a_hybrid_stream_and_numeric_increments_are_found():
    events = [
        {"choices": [{"delta": {"content": part}}], "response": number}
        for part, number in [("415", 415), ("5551234", 5551234)]
    ]
    found = scrubbed(
        user_patterns([r"\d{10}"]), *[f"data: {json.dumps(event)}\n\n".encode() for event in events], kind=SSE
    )
    first, second = (json.loads(event[6:]) for event in found)
    assert first == {"choices": [{"delta": {"content": "<scrubbed>"}}], "response": "<scrubbed>"}
    assert second == {"choices": [{"delta": {"content": ""}}], "response": ""}


def test_a_copy_that_has_lost_its_whitespace_is_taken_out_too():
    events = [{"delta": {"content": f" {word} "}, "response": word} for word in ("I", "am", "Jane", "Doe", "now")]
    chunks = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    found = b"".join(scrubbed(user_patterns([r"Jane\s+Doe"]), *chunks, kind=SSE))
    assert b"Jane" not in found
    assert b"Doe" not in found
    assert found.count(b"am") == 2


def test_fragments_of_arguments_are_found():
    found = scrubbed(MAIL, *sse('{"to": "ja', 'ne@example.com"}', key="arguments"), kind=SSE)
    assert "".join(json.loads(event[6:])["arguments"] for event in found) == '{"to": "<scrubbed>"}'


@pytest.mark.parametrize("before", ["", "u:", "Bearer ", "user:"])
@pytest.mark.parametrize("after", ["", ":x", " and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_credential_in_base64_is_found_within_a_longer_text(before, after, encode):
    token = "cfut_Zx81-se~cret>>tok.en42?"
    encoded = encode(f"{before}{token}{after}".encode()).decode()
    sent = credentials.of_request(ACCOUNT, [("authorization", f"Bearer {token}")])
    [found] = scrubbed(sent, json.dumps({"response": encoded}).encode())
    rest = json.loads(found)["response"].split("<scrubbed-token>")
    assert len(rest) == 2
    assert not [piece for piece in re.findall(".{5}", encode(token.encode()).decode()) if piece in "".join(rest)]


@pytest.mark.parametrize("encode", [str.upper, html.escape, quote, lambda text: text.encode().hex()])
def test_other_spellings_of_a_credential_are_found(encode):
    secret = "a&b<c>d'efgh"
    sent = credentials.of_request(ACCOUNT, [("cookie", f"session={secret}")])
    assert scrubbed(sent, f"told {encode(secret)} now".encode(), kind=HTML) == [b"told <scrubbed-token> now"]


def test_a_short_credential_is_not_searched_for_in_base64():
    sent = credentials.of_request(None, [("x-token", "abcdef")])
    content = base64.b64encode(b"abcdef")
    assert scrubbed(sent, content, kind="text/plain") == [content]


@pytest.mark.parametrize(
    "address", ["2001:db8::1:2", "2606:4700::1", "2A00:1450:4001:80b::200e", "fe80::1", "2001:db8::"]
)
def test_a_shortened_address_is_taken_out_of_an_error(address):
    page = f"by {address}, at C::D".encode()
    assert scrubbed(Scrubber(), page, kind=HTML, status=400) == [b"by <scrubbed-address>, at C::D"]


def test_addresses_on_an_error_page_are_taken_out():
    page = b"Ray 8f, your IP: 203.0.113.7 or 2001:db8:85a3::8a2e:370:7334; at 12:30:45, version 1.2.3"
    expected = b"Ray 8f, your IP: <scrubbed-address> or <scrubbed-address>; at 12:30:45, version 1.2.3"
    assert scrubbed(Scrubber(), page, kind=HTML, status=403) == [expected]
    assert scrubbed(Scrubber(), page, kind=HTML) == [page]


def test_a_pattern_that_is_none_is_named():
    with pytest.raises(CassetteError, match=r"scrub pattern '\(' is no regular expression"):
        user_patterns(["("])


def test_a_pattern_that_finds_nothing_at_all_places_changes_nothing():
    assert user_patterns(["x*"]).text("abc") == "abc"


def test_what_has_been_scrubbed_is_not_scrubbed_again():
    scrubber = user_patterns([r"[a-z]+"])
    assert scrubber.text(scrubber.text("12 ab 34")) == "12 <scrubbed> 34"
    assert user_patterns([".+"]).text("12 <scrubbed-token> 34") == "<scrubbed>"


def test_a_request_body_is_scrubbed_in_texts_keys_and_numbers():
    body = {
        "messages": [{"content": "I am jane@example.com"}],
        "jane@example.com": 1,
        "n": 4155551234,
        "s": True,
        "t": None,
    }
    scrubber = MAIL.also(user_patterns([r"\d{10}"]))
    exchange = scrubber.exchange(Exchange(method="POST", route="search?q=jane@example.com", body=body))
    assert exchange.route == "search?q=<scrubbed>"
    assert exchange.body == {
        "messages": [{"content": "I am <scrubbed>"}],
        "<scrubbed>": 1,
        "n": "<scrubbed>",
        "s": True,
        "t": None,
    }


SENT = [
    ("Authorization", "Bearer my-token-123"),
    ("X-Auth-Email", "jane@example.com"),
    ("X-Auth-Key", "0123/key"),
    ("Cookie", "__cf_bm=cookie-value-1; other=cookie-value-2"),
    ("X-Tenant", "Tenant of Jane"),
    ("cf-aig-metadata", '{"user": "jane-4711"}'),
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
]


def test_everything_that_was_sent_is_found_in_every_spelling():
    scrubber = credentials.of_request(ACCOUNT, SENT)
    values = ["my-token-123", "jane@example.com", "0123/key", "cookie-value-1", "cookie-value-2", "tenant of jane"]
    told = json.dumps({"e": [*values, SENT[5][1], ACCOUNT.upper(), "jane%40example.com", "application/json"]}).encode()
    [content] = scrubbed(scrubber, told)
    rest = json.loads(content)["e"]
    assert rest.pop() == "application/json"
    assert all(re.fullmatch(r"<scrubbed-\w+>", text) for text in rest), rest


def test_the_ray_and_the_cookies_of_an_answer_are_found():
    scrubber = credentials.of_answer([("CF-Ray", "8f3b1c2d4e5f6a7b-AMS"), ("Set-Cookie", "__cf_bm=abcdefgh; path=/")])
    text = "Ray 8f3b1c2d4e5f6a7b, 8f3b1c2d4e5f6a7b-AMS, abcdefgh; path=/"
    assert scrubber.text(text) == "Ray <scrubbed-ray>, <scrubbed-ray>, <scrubbed-token>; path=/"


def test_only_headers_that_matter_are_kept():
    names = [
        "Content-Type",
        "Retry-After",
        "cf-ai-req-id",
        "cf-aig-cache-status",
        "CF-Ray",
        "Set-Cookie",
        "Date",
        "Server",
    ]
    kept = credentials.kept_headers([(name, "x") for name in names])
    assert list(kept) == ["content-type", "retry-after", "cf-ai-req-id", "cf-aig-cache-status", "cf-ray"]
    assert kept["cf-ray"] == "<scrubbed-ray>"


secrets = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=10, max_size=40)


@given(
    secrets,
    st.tuples(st.text(), st.text()),
    st.lists(st.integers(1, 30)),
    st.sampled_from([JSON, SSE, HTML]),
    st.booleans(),
)
def test_no_secret_is_left_wherever_the_answer_is_cut(secret, around, cuts, kind, escaped):
    before, after = around
    assume(
        not any(
            secret.lower() in text.lower()
            for text in (before, after, "<scrubbed-token>", dump(Exchange(method="POST", route="r")))
        )
    )
    told = json.dumps({"response": before + secret + after}, ensure_ascii=escaped)
    content, chunks = told.encode("utf-8", "replace"), []
    for cut in cuts:
        chunks.append(content[:cut])
        content = content[cut:]
    scrubber = credentials.of_request(ACCOUNT, [("authorization", f"Bearer {secret}")])
    body = {"messages": [{"content": before + secret}]}
    pieces = [Piece(0, chunk) for chunk in [*chunks, content]]
    exchange = Exchange(method="POST", route="r", body=body, headers={"content-type": kind}, pieces=pieces)
    result = load(dump(scrubber.exchange(exchange)))
    assert secret not in result.body["messages"][0]["content"]
    whole = result.content.decode("utf-8")
    assert secret not in whole
    if kind != HTML:
        assert secret not in json.loads(whole)["response"]
        assert "<scrubbed-token>" in json.loads(whole)["response"]
