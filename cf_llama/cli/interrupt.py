"""Waiting for Ctrl-C."""

from __future__ import annotations

import signal
import time


def until_interrupted() -> None:
    """Return on Ctrl-C, or when the process is asked to end."""
    # A polite kill ends as Ctrl-C does; and a script's background jobs are started deaf to Ctrl-C.
    for request_to_stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(request_to_stop, signal.default_int_handler)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
