"""Incremental decompression of `Content-Encoding` with bounded output.

httpx decompresses everything that has arrived at once, and nested codings: a few kilobytes of zeros, compressed twice,
become gigabytes. Here a chunk is never larger than `MAX_CHUNK_BYTES`, and the caller can stop after any chunk.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAX_CHUNK_BYTES = 1024 * 1024
"""Maximum size of one decompressed chunk."""
CODINGS = ("gzip", "deflate")
"""Accepted codings. Bodies in other codings are passed on unchanged."""

_EITHER_HEADER = 32 + zlib.MAX_WBITS
_NO_HEADER = -zlib.MAX_WBITS
_MEMBER_START = b"\x1f"
_HEADER_BYTES = 2  # fewer do not show whether there is a header


class Decompressor:
    """Decompresses gzip and deflate."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_EITHER_HEADER)
        self._started = False
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed chunks of a compressed chunk.

        Raises:
            zlib.error: The data is not compressed in a known way.
        """
        data, self._held = self._held + data, b""
        if not self._started and len(data) < _HEADER_BYTES:
            self._held = data
            return
        while data:
            if self._decompressor.eof:
                if not data.startswith(_MEMBER_START):
                    return  # padding
                self._decompressor = zlib.decompressobj(_EITHER_HEADER)  # gzip may have many members (RFC 1952)
            piece = self._decompress(data)
            data = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            if piece:
                yield piece

    def _decompress(self, data: bytes) -> bytes:
        started, self._started = self._started, True
        try:
            return self._decompressor.decompress(data, MAX_CHUNK_BYTES)
        except zlib.error:
            if started:
                raise
            self._decompressor = zlib.decompressobj(_NO_HEADER)  # some servers send raw deflate
            return self._decompressor.decompress(data, MAX_CHUNK_BYTES)
