"""What is logged of our requests, without the account id that stands in their path.

We write a line at DEBUG for each request; httpx writes one at INFO where the client is the user's own, URL and all.
The filter touches that one part of lines about Workers AI and leaves every other line of the program as it is.
"""

from __future__ import annotations

import logging
import re

_ACCOUNT = re.compile(r"(/accounts/|gateway\.ai\.cloudflare\.com/v1/)[0-9a-fA-F]{32}(?=/)")
REDACTED = r"\g<1>***"


class AccountFilter(logging.Filter):
    """Hides account ids in the arguments of a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, with the id taken out."""
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(argument) for argument in record.args)
        return True


def redacted(argument: object) -> object:
    """The argument as it may be logged; what holds no account id is left untouched."""
    text = str(argument)
    return _ACCOUNT.sub(REDACTED, text) if _ACCOUNT.search(text) else argument


for name in ("cf_llama.http", "httpx", "httpx2"):
    logging.getLogger(name).addFilter(AccountFilter())
