"""From what httpx or httpx2 raises on the way to a server to our error, which says where and what to do. No I/O.

The libraries' classes do not mix, so both are read by the names of their kinds, which they share, and by what caused
them: a certificate that fails, a host without an address and a proxy that refuses fail again however often one tries.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from cf_llama.protocol.errors import ConnectionFailedError, InvalidRequestError, WorkersAIError

_TEMPORARY = {getattr(socket, "EAI_AGAIN", None), None}
"""Of the ways in which a look-up fails, those that may pass; None is a failure of the system's that has no number."""


def kinds(error: BaseException) -> set[str]:
    """The names of an error's classes."""
    return {kind.__name__ for kind in type(error).__mro__}


def connection_error(error: Exception, host: str, proxy: str = "") -> WorkersAIError:
    """The error of a connection that cannot be made, or broke.

    Args:
        error: What the HTTP library raised.
        host: Where the connection leads.
        proxy: What names a proxy for the host, such as HTTPS_PROXY; empty where nothing does.
    """
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if kinds(error) & {"UnsupportedProtocol", "LocalProtocolError"}:
        return InvalidRequestError(what)
    if "ProxyError" in kinds(error) and "407" in str(error):
        return ConnectionFailedError(
            f"the proxy on the way to {host} wants a user and a password (407): write them into its address, "
            "as in HTTPS_PROXY=http://user:password@proxy:8080",
            is_retryable=False,
        )
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            reason = getattr(cause, "verify_message", "") or str(cause)
            return ConnectionFailedError(
                f"the certificate of {host} cannot be verified: {reason}. If a proxy or a server of your own signs it, "
                "set SSL_CERT_FILE to a file with its certificate authority",
                is_retryable=False,
            )
        if isinstance(cause, socket.gaierror) and cause.errno not in _TEMPORARY:
            nameless = f"the proxy on the way to {host}" if proxy else f"the host {host}"
            setting = f"the host in {proxy}" if proxy else "base_url or CLOUDFLARE_BASE_URL"
            return ConnectionFailedError(
                f"{nameless} has no address ({what}): check {setting}, and this machine's network",
                is_retryable=False,
            )
    advice = f"; {proxy} names a proxy for it: check that this runs and lets the host pass" if proxy else ""
    return ConnectionFailedError(f"the connection to {host} failed ({what}){advice}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
