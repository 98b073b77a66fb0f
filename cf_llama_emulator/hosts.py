"""Host names of requests."""

from __future__ import annotations

import re
from collections.abc import Mapping

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Host names of this machine, as a Host header writes them."""


def host_name(headers: Mapping[str, str]) -> str:
    """Return the name in the `Host` header, in lower case and without port."""
    return re.sub(r":\d+$", "", headers.get("host", "")).lower()
