"""Removes account ids from log lines about requests.

This package logs a line at DEBUG for each request; httpx logs one at INFO, with the URL, if the client is the user's
own. The filter changes that part of lines about Workers AI only.
"""

from __future__ import annotations

import logging
import re

_ACCOUNT = re.compile(r"(/accounts/|gateway\.ai\.cloudflare\.com/v1/)[0-9a-fA-F]{32}(?=/)")
REDACTED = r"\g<1>***"


class AccountFilter(logging.Filter):
    """Redacts account ids in the arguments of a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the id and let the record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(argument) for argument in record.args)
        return True


def redacted(argument: object) -> object:
    """Redact an argument; arguments without an account id stay unchanged."""
    text = str(argument)
    return _ACCOUNT.sub(REDACTED, text) if _ACCOUNT.search(text) else argument


for name in ("cf_llama.http", "httpx", "httpx2"):
    logging.getLogger(name).addFilter(AccountFilter())
