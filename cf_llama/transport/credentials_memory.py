"""Which credentials have worked in this process: AI Gateway may refuse a burst of requests as if a token were wrong."""

from __future__ import annotations

from cf_llama.config.connection import Connection

_GATEWAY_ID = "cf-aig-gateway-id"
_HEADERS = ("authorization", "cf-aig-authorization", _GATEWAY_ID)

_worked: set[int] = set()
"""Hashes, so that no token is kept."""


def credentials_worked(connection: Connection) -> bool:
    """Whether a gateway has answered an earlier call with the same credentials."""
    return _key(connection) in _worked


def remember_credentials(connection: Connection) -> None:
    """A call was answered; only what a gateway answered is kept."""
    if connection.gateway or _GATEWAY_ID in connection.headers:
        _worked.add(_key(connection))


def forget_credentials(connection: Connection) -> None:
    """They were refused again: the token may have been revoked, and later calls need not wait to learn it."""
    _worked.discard(_key(connection))


def _key(connection: Connection) -> int:
    headers = connection.http_headers()
    return hash((connection.url(""), *map(headers.get, _HEADERS)))
