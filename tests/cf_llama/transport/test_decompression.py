"""Packed bytes, in all ways that servers pack, however they are cut, and never too many at once."""

from __future__ import annotations

import gzip
import zlib

import pytest

from cf_llama.transport.decompression import MAX_CHUNK_BYTES, Decompressor

DATA = b"".join(b"%d " % number for number in range(5000))


def headless(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_members(data):
    return b"".join(gzip.compress(data[at : at + 9000]) for at in range(0, len(data), 9000)) + bytes(3)


@pytest.mark.parametrize(
    "pack", [gzip.compress, zlib.compress, headless, in_members], ids=["gzip", "deflate", "headless", "members"]
)
@pytest.mark.parametrize("step", [1, 2, 1000, 1 << 20])
def test_unpacks_in_any_cut(pack, step):
    packed, unpacking = pack(DATA), Decompressor()
    pieces = [piece for at in range(0, len(packed), step) for piece in unpacking.feed(packed[at : at + step])]
    assert b"".join(pieces) == DATA


def test_no_piece_is_large():
    pieces = list(Decompressor().feed(gzip.compress(bytes(5 * MAX_CHUNK_BYTES))))
    assert max(map(len, pieces)) <= MAX_CHUNK_BYTES
    assert sum(map(len, pieces)) == 5 * MAX_CHUNK_BYTES


def test_what_is_not_packed_is_an_error():
    with pytest.raises(zlib.error):
        list(Decompressor().feed(b"not packed at all"))


def test_what_follows_the_end_is_nothing():
    assert b"".join(Decompressor().feed(gzip.compress(DATA) + b"more")) == DATA
