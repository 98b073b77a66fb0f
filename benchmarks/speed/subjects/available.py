"""Who can be measured here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from benchmarks.speed.subjects.base import Subject
from benchmarks.speed.subjects.langchain import NullLangChain, OurLangChain
from benchmarks.speed.subjects.llama_index import NullLlamaIndex, OurLlamaIndex
from benchmarks.speed.subjects.raw import RawHttpx
from benchmarks.speed.subjects.transport import OurTransport

_ALWAYS = (RawHttpx, NullLangChain, NullLlamaIndex, OurTransport, OurLangChain, OurLlamaIndex)
_PEERS = ("peer_cloudflare", "peer_openai", "peer_openai_like")


def available(*, peers: bool, tell: Callable[[str], None]) -> list[type[Subject]]:
    """All subjects; a peer that is not installed is told of and left out."""
    subjects: list[type[Subject]] = list(_ALWAYS)
    for name in _PEERS if peers else ():
        try:
            subjects.append(import_module(f"benchmarks.speed.subjects.{name}").Peer)
        except ImportError as error:
            tell(f"left out, as {error.name} is not installed (dependency group bench): {name}")
    return subjects
