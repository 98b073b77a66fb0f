"""Bytes as they are packed on the way, and what they were: a push parser of `Content-Encoding`.

httpx unpacks too, but all that has come at once, and codings within codings: a few kilobytes of zeros, packed twice,
are gigabytes. Here a piece is never larger than `PIECE`, and whoever takes the pieces may stop at any.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 1024 * 1024
"""The most bytes that are unpacked at once."""
CODINGS = ("gzip", "deflate")
"""What is asked for. Whatever comes in another coding stays as it is, and can most likely not be read."""

_EITHER_HEADER = 32 + zlib.MAX_WBITS
_NO_HEADER = -zlib.MAX_WBITS


class Unpacking:
    """Packed bytes in, what they were out."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_EITHER_HEADER)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they come; give them unpacked, in pieces.

        Raises:
            zlib.error: they are not packed in a way that is known.
        """
        while data:
            piece = self._unpacked(data)
            data = self._unpacker.unconsumed_tail
            if piece:
                yield piece

    def _unpacked(self, data: bytes) -> bytes:
        begun, self._begun = self._begun, True
        try:
            return self._unpacker.decompress(data, PIECE)
        except zlib.error:
            if begun:
                raise
            self._unpacker = zlib.decompressobj(_NO_HEADER)  # some servers mean this by "deflate"
            return self._unpacker.decompress(data, PIECE)
