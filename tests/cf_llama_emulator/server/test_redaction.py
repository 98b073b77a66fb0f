"""Secrets in a text that comes in pieces."""

import json
from urllib.parse import quote

import pytest

from cf_llama_emulator.server.redaction import Redactor

SECRET, OTHER = 'cfut_a"b/c', "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("spelled", [SECRET, SECRET.upper(), json.dumps(SECRET)[1:-1], quote(SECRET, safe=""), OTHER])
def test_none_is_let_through_however_it_is_spelled_and_cut(spelled, size):
    text = f"of {spelled}, cfut_ and {spelled}{spelled} cfut_a".encode()
    redactor = Redactor([SECRET, OTHER])
    shown = [redactor.feed(text[at : at + size]) for at in range(0, len(text), size)]
    whole = b"".join([*shown, redactor.finish()])
    assert whole == b"of [redacted], cfut_ and [redacted][redacted] cfut_a"
    assert Redactor([SECRET, OTHER]).text(text.decode()).encode() == whole


def test_only_what_may_be_the_beginning_of_one_waits():
    redactor = Redactor([SECRET])
    assert redactor.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert redactor.feed(b"data: cfu") == b"data: "
    assert redactor.feed(b"n\n\n") == b"cfun\n\n"
    assert redactor.finish() == b""
