"""Text without the template's tokens, ending at the first stop sequence, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama.protocol.stop_sequences import SPECIAL_TOKENS, TextFilter


def filtered(pieces, stop=()):
    text_filter = TextFilter(stop)
    shown = [text_filter.feed(piece) for piece in pieces] + [text_filter.flush()]
    return "".join(shown), text_filter.stopped


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("a b", (), "a b"),
        ("a<b <|b", (), "a<b <|b"),
        ("<|python_tag|>a<|eot_id|>b<|eom_id|>", (), "ab"),
        ("a END b", ("END",), "a "),
        ("aaEND", ("END", "a"), ""),
        ("a EN", ("END",), "a EN"),
        ("abd", ("abc", "b"), "a"),
        ("abc", ("abc", "b"), ""),
        ("one\n\ntwo", ("\n\n",), "one"),
        ("a.*b", (".*",), "a"),
        ("a<|eot_id|>X", ("<|eot_id|>X",), "a"),
    ],
)
def test_filters_whole_text_and_every_character_alone(text, stop, expected):
    assert filtered([text], stop)[0] == expected
    assert filtered(text, stop)[0] == expected


STOPS = st.lists(st.text("ab<|", min_size=1, max_size=4) | st.sampled_from(SPECIAL_TOKENS), max_size=3).map(tuple)
PIECES = st.lists(st.text("ab<|", max_size=4) | st.sampled_from(SPECIAL_TOKENS), max_size=8)


@given(PIECES, STOPS)
def test_cutting_changes_nothing(pieces, stop):
    text = "".join(pieces)
    assert filtered(pieces, stop) == filtered([text], stop) == filtered(text, stop)


def test_shows_text_as_soon_as_it_is_certain():
    text_filter = TextFilter(("END",))
    assert [text_filter.feed(piece) for piece in ("one ", "E", "Nd", "END")] == ["one ", "", "ENd", ""]
    assert (text_filter.stopped, text_filter.feed("more"), text_filter.flush()) == (True, "", "")


def test_an_emoji_in_two_halves_is_one_character():
    assert filtered(["a\ud83d", "\ude00b"]) == ("a😀b", False)
    assert filtered(["a\ud83d", "b"]) == ("a\ufffdb", False)
    assert filtered(["a\ud83d"]) == ("a\ufffd", False)
