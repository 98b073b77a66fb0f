import gzip
import zlib

import pytest

from cf_llama_emulator.cassettes.decoding import Decoder, acceptable
from cf_llama_emulator.cassettes.format import CassetteError

TEXT = b"An answer. " * 50


def raw_deflate(content):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
    ],
)
def test_an_answer_is_decoded_however_it_is_cut(encoding, pack, size):
    decoder, packed = Decoder(encoding), pack(TEXT)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(map(decoder.decode, chunks)) == TEXT
    assert not decoder.failed


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_what_is_not_packed_stays_as_it_is(encoding, size):
    decoder = Decoder(encoding)
    assert b"".join(decoder.decode(b"plain text"[at : at + size]) for at in range(0, 10, size)) == b"plain text"
    assert decoder.failed


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, deflate"])
def test_what_cannot_be_decoded_is_refused(encoding):
    with pytest.raises(CassetteError, match="cannot be searched for secrets"):
        Decoder(encoding)


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1, gzip;q=0.5", "gzip;q=0.5"),
        ("*", "identity"),
        ("identity", "identity"),
    ],
)
def test_only_what_can_be_decoded_is_accepted(offered, kept):
    assert acceptable(offered) == kept
