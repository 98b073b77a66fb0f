"""Checks account, token and origin of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from cf_llama_emulator.hosts import LOOPBACK_HOSTS, host_name
from cf_llama_emulator.wire.errors import FrontError, no_account

_ACCOUNT_PATH = re.compile(r"/(?:client/v4/accounts|v1)/([^/]*)")
_ACCOUNT = re.compile(r"[0-9a-f]{32}")
_BEARER = re.compile(r"Bearer +([\x21-\x7e]+)", re.IGNORECASE)


def check_account_form(path: str) -> None:
    """Refuse a path whose account id is not 32 hexadecimal digits."""
    match = _ACCOUNT_PATH.match(path)
    if match and not _ACCOUNT.fullmatch(match[1]):
        raise no_account(path)


def check_credentials(headers: Mapping[str, str], account_id: str, *, token: str | None, account: str | None) -> None:
    """Refuse what the API front refuses.

    A missing or malformed header is 400/9106, a wrong token 401/10000, a right token for another account 403/10000.

    Args:
        headers: The request's headers, by lower-case name.
        account_id: The account in the request's path.
        token: The only token that is right; None takes any.
        account: The only account that the token belongs to; None takes any.
    """
    sent = _sent_token(headers)
    if token is not None and sent != token:
        raise FrontError(401, 10000, "Authentication error")
    if account is not None and account_id != account:
        raise FrontError(403, 10000, "Authentication error")


def _sent_token(headers: Mapping[str, str]) -> str:
    """Return the bearer token or the legacy global key; refuse a request that has neither in a readable form."""
    if "authorization" in headers:
        match = _BEARER.fullmatch(headers["authorization"].strip())
        if match is None:
            raise FrontError(400, 9106, "Invalid format for Authorization header")
        return match.group(1)
    if "x-auth-email" in headers and "x-auth-key" in headers:
        return headers["x-auth-key"]
    raise FrontError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")


def refusal_of_origin(headers: Mapping[str, str], hosts: frozenset[str], origins: frozenset[str]) -> str | None:
    """Say why a request may not come in, or return None.

    A web page must not reach an emulator on its reader's machine: neither by a host name that resolves to the
    loopback address (DNS rebinding) nor directly from the page's origin. The emulator's own page may, under a
    loopback name.

    Args:
        headers: The request's headers, by lower-case name.
        hosts: `Host` names allowed, without port; "*" allows all.
        origins: `Origin` values allowed; "*" allows all.
    """
    host = host_name(headers)
    if "*" not in hosts and host not in map(str.lower, hosts):
        return f"Host {host!r} is not served here; allowed: {', '.join(sorted(hosts))}."
    origin = headers.get("origin")
    own = host in LOOPBACK_HOSTS and origin == f"http://{headers['host']}"
    if origin is not None and not own and "*" not in origins and origin not in origins:
        return f"Requests from the browser origin {origin!r} are not served here."
    return None


def is_loopback(address: str) -> bool:
    """Whether a client's IP address is this machine's own."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback
