"""A request as the emulator remembers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; not printed, for they hold the token."""
    content: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The parsed JSON body.

        Raises:
            ValueError: when it is none.
        """
        return json.loads(self.content)
