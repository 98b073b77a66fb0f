import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece, append, dump, load, read

HEADER = '{"cassette": "cf-llama", "version": 1}\n'

texts = st.text(st.characters(codec=None, exclude_categories=[]))  # lone surrogates too: a request's body may have them
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)
pieces = st.builds(Piece, st.integers(0, 10**9).map(lambda n: n / 10**6), st.binary() | st.text().map(str.encode))
exchanges = st.builds(
    Exchange,
    method=texts,
    route=texts,
    body=values,
    status=st.integers(100, 599),
    headers=st.dictionaries(texts, texts),
    pieces=st.lists(pieces),
    complete=st.booleans(),
)


@given(exchanges)
def test_an_exchange_is_one_line_that_gives_it_back(exchange):
    line = dump(exchange)
    assert "\n" not in line
    assert load(line.encode("utf-8").decode("utf-8")) == exchange


@given(st.lists(exchanges, min_size=1, max_size=3))
def test_a_file_gives_its_exchanges_back(tmp_path_factory, exchanges):
    path = tmp_path_factory.mktemp("cassettes") / "new" / "a.jsonl"
    for exchange in exchanges:
        append(path, dump(exchange))
    assert read(path) == exchanges


def test_a_line_that_was_not_finished_is_left_out_and_overwritten(tmp_path):
    path, line = tmp_path / "a.jsonl", dump(Exchange(method="GET", route="a"))
    append(path, line)
    path.write_bytes(path.read_bytes() + line[:20].encode())
    assert len(read(path)) == 1
    append(path, line)
    assert path.read_text("utf-8") == HEADER + f"{line}\n" * 2


def test_a_file_begins_anew_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.jsonl"
    append(path, dump(Exchange(method="GET", route="old")))
    append(path, dump(Exchange(method="GET", route="new")), afresh=True)
    assert [exchange.route for exchange in read(path)] == ["new"]
    assert [*tmp_path.iterdir()] == [path]


def test_an_empty_file_has_no_exchanges(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch()
    assert read(path) == []


GOOD = json.loads(dump(Exchange(method="GET", route="a")))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}\n", "is no cassette: its first line must be"),
        ("no JSON\n", "is no cassette: its first line must be"),
        ('{"cassette": "cf-llama", "version": 2}\n', "has version 2; this program reads 1"),
        (HEADER + "{\n", "line 2: Expecting"),
        (HEADER + "[]\n", "line 2: list indices"),
        (HEADER + '{"pieces": []}\n', "line 2: 'method' is missing"),
        (HEADER + json.dumps(GOOD | {"status": "200"}) + "\n", "line 2: status must be a whole number"),
        (HEADER + json.dumps(GOOD | {"route": 1}) + "\n", "line 2: route must be a text"),
        (HEADER + json.dumps(GOOD | {"headers": {"a": 1}}) + "\n", "line 2: headers must be an object of texts"),
        (HEADER + json.dumps(GOOD | {"pieces": [[0, {"base64": "!"}]]}) + "\n", "line 2: "),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, content, told):
    path = tmp_path / "a.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(CassetteError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_a_missing_file_and_another_encoding_are_named(tmp_path):
    path = tmp_path / "a.jsonl"
    with pytest.raises(CassetteError, match="cannot be read: No such file"):
        read(path)
    path.write_bytes(b"\xff\n")
    with pytest.raises(CassetteError, match="is not in UTF-8"):
        read(path)
