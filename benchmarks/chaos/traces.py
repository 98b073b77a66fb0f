"""What a process holds: sockets, threads, tasks, memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from typing import NamedTuple


class Traces(NamedTuple):
    """Counts at one moment."""

    sockets: int
    threads: int
    tasks: int
    blocks: int
    """Of memory that Python's objects take up, after a garbage collection."""
    megabytes: float
    """Resident memory."""


def here() -> Traces:
    """Return what this process holds, after a garbage collection; memory that is free goes back first."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)
    pid = os.getpid()
    return Traces(sockets(pid), threading.active_count(), _tasks(), sys.getallocatedblocks(), megabytes(pid))


def sockets(pid: int) -> int:
    """Return how many sockets a process has open."""
    held = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # the one that lists them
            continue
    return held


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # no loop runs
        return 0
