"""Reads the profiles that `cf-llama verify --apply` writes."""

from __future__ import annotations

import json
from pathlib import Path


def read_profile(path: Path) -> tuple[str, ...]:
    """Return the faults of a profile, `name[=value]` each; whether they exist is not checked.

    Raises:
        ValueError: the file is no profile; the message says what it must be.
        OSError: it cannot be read.
    """
    try:
        profile = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        profile = None
    faults = profile.get("faults") if isinstance(profile, dict) else None
    if not isinstance(faults, list) or not all(isinstance(fault, str) for fault in faults):
        raise ValueError(f'{path.name} must be a JSON object with a list of texts: {{"faults": ["shape=hybrid"]}}')
    return tuple(faults)
