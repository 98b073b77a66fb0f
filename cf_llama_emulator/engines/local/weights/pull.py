"""Pulling weights: whatever source, the same file, continued where it was left and verified before it gets its name."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cf_llama_emulator.engines.local.weights.catalogue import Weights
from cf_llama_emulator.engines.local.weights.sources import Source, SourceError, sources


class PullError(Exception):
    """The weights could not be had from any source; the message says why, and where else to get them."""


class PullObserver(Protocol):
    """Receives the progress of a pull."""

    def trying(self, source: Source) -> None:
        """Bytes are about to come from `source`."""

    def received(self, done: int) -> None:
        """The first `done` bytes of the file are on disk."""

    def failed(self, source: Source, reason: str) -> None:
        """`source` is given up."""


class NoObserver:
    """A watcher that says nothing."""

    def trying(self, source: Source) -> None:
        """Say nothing."""

    def received(self, done: int) -> None:
        """Say nothing."""

    def failed(self, source: Source, reason: str) -> None:
        """Say nothing."""


def pull(weights: Weights, watcher: PullObserver | None = None) -> Path:
    """Bring `weights` into the cache folder and return their path.

    What an earlier, broken-off pull left is continued, even from another source. `PullError` when no source has the
    right bytes, `OSError` when the disk is full or the folder cannot be written.
    """
    if is_verified(weights.path, weights):
        return weights.path
    watcher = watcher or NoObserver()
    weights.path.parent.mkdir(parents=True, exist_ok=True)
    reasons: list[str] = []
    for source in sources(weights):
        watcher.trying(source)
        try:
            return _pull_from(source, weights, watcher)
        except SourceError as error:
            watcher.failed(source, str(error))
            reasons.append(f"- {source}: {error}")
    raise PullError(_no_source(weights, reasons))


def is_verified(path: Path, weights: Weights) -> bool:
    """Whether the file at `path` has the pinned size and SHA-256."""
    if not path.is_file() or path.stat().st_size != weights.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256


def _pull_from(source: Source, weights: Weights, watcher: PullObserver) -> Path:
    part = weights.path.with_name(weights.path.name + ".part")
    part.touch()
    left = part.stat().st_size
    _complete(part, source, weights, watcher)
    if is_verified(part, weights):
        return part.replace(weights.path)
    part.unlink()
    if left:  # what an earlier pull left may be the wrong half
        return _pull_from(source, weights, watcher)
    raise SourceError(f"gave other bytes than SHA-256 {weights.sha256}")


def _complete(part: Path, source: Source, weights: Weights, watcher: PullObserver) -> None:
    """Append what is missing, asking again after a cut as long as each try brings something."""
    while (done := part.stat().st_size) < weights.size:
        _room_for(weights.size - done, part.parent)
        try:
            _append(part, source.read(done), weights.size, watcher)
        except SourceError:
            if part.stat().st_size == done:
                raise
        else:
            if part.stat().st_size == done:
                raise SourceError(f"ended after {done:,} of {weights.size:,} bytes")


def _append(part: Path, chunks: Iterator[bytes], size: int, watcher: PullObserver) -> None:
    # Written at its own offset, not appended: two pulls at once then write the same bytes to the same places.
    with part.open("r+b") as file:
        done = file.seek(0, 2)
        watcher.received(done)
        for chunk in chunks:
            done += file.write(chunk[: size - done])
            watcher.received(done)
            if done == size:
                return


def _room_for(missing: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise OSError(f"{folder} has {free / 1e6:,.0f} MB free; {missing / 1e6:,.0f} MB are missing")


def _no_source(weights: Weights, reasons: list[str]) -> str:
    lines = (
        f"could not get {weights.name} ({weights.file}, {weights.size:,} bytes):",
        *reasons,
        f"It is at home at {weights.repository} on Hugging Face. Wherever you get it, its SHA-256 is",
        f"  {weights.sha256}",
        f"and its place is {weights.path}",
        "Any other GGUF file will do too: cf-llama serve --engine gguf:/path/to/file.gguf",
    )
    return "\n".join(lines)
