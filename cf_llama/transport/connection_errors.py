"""Converts connection errors of httpx and httpx2 to errors that name the host and what to do. No I/O.

The classes of the two libraries do not mix, so errors are recognized by class name and by cause. A certificate that
fails, a server without TLS, a host without an address and a proxy that rejects credentials fail again, so they are not
retried.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from cf_llama.protocol.errors import ConnectionFailedError, InvalidRequestError, WorkersAIError

_TEMPORARY = {getattr(socket, "EAI_AGAIN", None), None}
"""Lookup failures that can pass; None is a failure without a number."""


def kinds(error: BaseException) -> set[str]:
    """Names of an exception's classes."""
    return {kind.__name__ for kind in type(error).__mro__}


def connection_error(error: Exception, host: str, proxy: str = "") -> WorkersAIError:
    """The error of a connection that failed or broke.

    Args:
        error: The exception of the HTTP library.
        host: Host of the connection.
        proxy: Variable that sets a proxy for the host, such as HTTPS_PROXY; empty if there is none.
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
        if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
            return ConnectionFailedError(
                f"the answer from {host} is not TLS ({what}): check base_url"
                f"{f' and {proxy}' if proxy else ''}, which begins with http:// for a server without TLS",
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
