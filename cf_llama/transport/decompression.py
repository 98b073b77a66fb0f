"""Bytes as they are packed on the way, and what they were: a push parser of `Content-Encoding`.

httpx unpacks too, but all that has come at once, and codings within codings: a few kilobytes of zeros, packed twice,
are gigabytes. Here a piece is never larger than `MAX_CHUNK_BYTES`, and whoever takes the pieces may stop at any.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAX_CHUNK_BYTES = 1024 * 1024
"""The most bytes that are unpacked at once."""
CODINGS = ("gzip", "deflate")
"""What is asked for. Whatever comes in another coding stays as it is, and can most likely not be read."""

_EITHER_HEADER = 32 + zlib.MAX_WBITS
_NO_HEADER = -zlib.MAX_WBITS


class Decompressor:
    """Packed bytes in, what they were out."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_EITHER_HEADER)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they come; give them unpacked, in pieces.

        Raises:
            zlib.error: they are not packed in a way that is known.
        """
        while data:
            piece = self._decompress(data)
            data = self._decompressor.unconsumed_tail
            if piece:
                yield piece

    def _decompress(self, data: bytes) -> bytes:
        started, self._started = self._started, True
        try:
            return self._decompressor.decompress(data, MAX_CHUNK_BYTES)
        except zlib.error:
            if started:
                raise
            self._decompressor = zlib.decompressobj(_NO_HEADER)  # some servers mean this by "deflate"
            return self._decompressor.decompress(data, MAX_CHUNK_BYTES)
