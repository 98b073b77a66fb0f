"""One core for the server and one for who calls it, where the system lets us choose and there are two."""

from __future__ import annotations

import os


def stay_on(which: int) -> None:
    """Stay on one of the cores that this process may use: 0 the first, -1 the last."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[which]})
