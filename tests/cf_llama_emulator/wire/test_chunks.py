"""Pieces on their way: cut from a text, bounded by `max_tokens`, counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.wire.chunks import limit_tokens, split, stop_at_words, with_usage
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Text
from cf_llama_emulator.wire.errors import ServiceError


@given(st.text())
def test_pieces_of_a_text_join_to_the_text(text):
    assert "".join(split(text)) == text


def test_digits_are_pieces_of_their_own_in_groups_of_three():
    assert list(split("In 2024, 1.5 tons")) == ["In", " ", "202", "4", ",", " ", "1", ".", "5", " tons"]


@given(st.lists(st.text(min_size=1, max_size=9), max_size=20), st.integers(0, 30))
def test_bounded_text_is_the_beginning_of_the_text_and_never_beyond_the_limit(words, limit):
    *pieces, end = limit_tokens(map(Text, words), EngineRequest(model="m", max_tokens=limit))
    text = "".join(piece.text for piece in pieces)
    assert "".join(words).startswith(text)
    assert end.completion_tokens <= limit
    assert end == End("stop" if text == "".join(words) else "length", completion_tokens=end.completion_tokens)


def test_a_cut_call_keeps_the_beginning_of_its_arguments_as_text():
    call = Call("add", {"a": 1, "b": 2}, "id")
    assert list(limit_tokens([call], EngineRequest(model="m", max_tokens=3))) == [
        Call("add", '{"a": 1, ', "id"),
        End("length", completion_tokens=3),
    ]


@pytest.mark.parametrize("choice", ["required", "add"])
def test_a_forced_call_that_does_not_fit_is_refused(choice):
    with pytest.raises(ServiceError, match="8006"):
        list(limit_tokens([Call("add", {"a": 1, "b": 2})], EngineRequest(model="m", max_tokens=3, tool_choice=choice)))


async def pieces_of(*pieces):
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        ([Text("12345"), Text("6")], End("stop", 10, 3)),
        ([Text("12345"), Call("f", {})], End("tool_calls", 10, 3)),
        ([Text("1"), End("length")], End("length", 10, 1)),
        ([Call("f", {}), End("stop", 7, 8)], End("tool_calls", 7, 8)),
        ([Call("f", {}), End("length")], End("length", 10, 1)),
        ([], End("stop", 10, 0)),
    ],
)
async def test_accounted_completes_the_end(pieces, end):
    assert [piece async for piece in with_usage(pieces_of(*pieces), 10)][-1] == end


async def test_nothing_follows_the_end():
    pieces = with_usage(pieces_of(Text("a"), End(), Text("b")), 10)
    assert [piece async for piece in pieces] == [Text("a"), End("stop", 10, 1)]


async def test_an_engine_may_be_any_iterator():
    class Once:
        def __init__(self):
            self.left = [Text("a")]

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    assert [piece async for piece in with_usage(Once(), 1)] == [Text("a"), End("stop", 1, 1)]


async def stopped(words, *pieces):
    async def said():
        for piece in pieces:
            yield piece

    return [piece async for piece in stop_at_words(said(), words)]


@given(st.lists(st.text("ab", max_size=4), max_size=6), st.text("ab", min_size=1, max_size=3))
async def test_text_ends_at_a_word_however_it_is_cut(cuts, word):
    *texts, end = await stopped([word], *map(Text, cuts), End())
    assert "".join(piece.text for piece in texts) == "".join(cuts).split(word)[0]
    assert end == End()


async def test_calls_and_what_comes_before_them_stay():
    call = Call("f", {})
    assert await stopped(["stop"], Text("I st"), call, Text("op stop "), Text("here"), End()) == [
        Text("I "),
        Text("st"),
        call,
        Text("op "),
        End(),
    ]
