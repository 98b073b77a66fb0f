"""Who can be measured here."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.subjects.langchain import NullLangChain, OurLangChain
from benchmarks.speed.subjects.llama_index import NullLlamaIndex, OurLlamaIndex
from benchmarks.speed.subjects.raw import RawHttpx
from benchmarks.speed.subjects.transport import OurTransport

_ALWAYS = (RawHttpx, NullLangChain, NullLlamaIndex, OurTransport, OurLangChain, OurLlamaIndex)


def available(*, peers: bool, tell: Callable[[str], None]) -> list[type[Subject]]:
    """All subjects; a peer that is not installed is told of and left out."""
    del peers, tell
    return list(_ALWAYS)
