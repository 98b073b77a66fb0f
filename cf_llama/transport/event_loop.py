"""asyncio's event loop, which the shared clients need, and what calls without one do, as under trio."""

from __future__ import annotations

import asyncio
import sys

from cf_llama.protocol.errors import InvalidRequestError


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop.

    Raises:
        InvalidRequestError: asyncio does not run.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidRequestError(
            "the asynchronous methods need asyncio, which does not run here: under trio, set "
            "http_async_client=httpx.AsyncClient() and rate_limit=False, or call the synchronous methods in a thread"
        ) from None


async def async_sleep(seconds: float) -> None:
    """Sleep on asyncio's loop, or on trio's, on which the user's own client can run."""
    try:
        running_loop()
    except InvalidRequestError:
        if (trio := sys.modules.get("trio")) is None:
            raise
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)
