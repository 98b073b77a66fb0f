"""Cassettes: answers of the service, recorded once and replayed for ever.

The file format and what is taken out of it belong here, and what records and replays without a server. The
servers belong in `server`, the pytest fixture in `testing`.
"""

from cf_llama_emulator.cassettes.format import CassetteError, Exchange, Piece
from cf_llama_emulator.cassettes.recorder import AsyncRecorderTransport, Recorder, RecorderTransport
from cf_llama_emulator.cassettes.replay import ReplayTransport

__all__ = [
    "AsyncRecorderTransport",
    "CassetteError",
    "Exchange",
    "Piece",
    "Recorder",
    "RecorderTransport",
    "ReplayTransport",
]
