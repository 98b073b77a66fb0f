"""Decodes compressed answers incrementally, so that recordings can be searched and read."""

from __future__ import annotations

import zlib

from cf_llama_emulator.cassettes.format import CassetteError

_NAMES = {"gzip", "x-gzip", "deflate"}
_AUTOMATIC, _RAW = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


class Decoder:
    """Decodes one answer; uncompressed data stays unchanged."""

    def __init__(self, encoding: str) -> None:
        """Begin with what the header `content-encoding` says; empty for none.

        Raises:
            CassetteError: it cannot be decoded, and so not be searched for secrets.
        """
        names = {name.strip().lower() for name in encoding.split(",")} - {"", "identity"}
        if not names <= _NAMES or len(names) > 1:
            raise CassetteError(f"an answer with content-encoding {encoding!r} cannot be searched for secrets")
        self._windows = [_AUTOMATIC, _RAW] if "deflate" in names else [_AUTOMATIC] if names else []
        self._unpack = zlib.decompressobj(self._windows[0]) if names else None
        self._undecoded = b""
        self.failed = False
        """Whether the answer is not what its header says."""

    def decode(self, content: bytes) -> bytes:
        """Decode the next bytes; the result may be empty."""
        if self._unpack is None:
            return content
        self._undecoded += content  # until something comes out: a wrong window shows only with the second byte
        try:
            decoded = self._unpack.decompress(content)
        except zlib.error:
            self._windows = self._windows[1:]
            self._unpack = zlib.decompressobj(self._windows[0]) if self._windows else None
            self.failed = self._unpack is None
            content, self._undecoded = self._undecoded, b""
            return self.decode(content)
        self._undecoded = b"" if decoded else self._undecoded
        return decoded


def acceptable(accept_encoding: str) -> str:
    """Return those of the accepted encodings that can be decoded here."""
    offered = [name.strip() for name in accept_encoding.split(",")]
    kept = [name for name in offered if name.partition(";")[0].strip().lower() in {*_NAMES, "identity"}]
    return ", ".join(kept) or "identity"
