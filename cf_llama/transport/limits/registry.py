"""The gates of this process: one for each account, model and gateway, shared by all threads and event loops."""

from __future__ import annotations

import os
from hashlib import sha256
from threading import Lock
from time import monotonic, time

from cf_llama.config.connection import Connection
from cf_llama.config.rate_limit import RateLimit, RateLimitStore
from cf_llama.transport.limits.gate import Gate
from cf_llama.transport.limits.pacer import Pacer
from cf_llama.transport.limits.quota import DailyQuota
from cf_llama.transport.limits.rate import RatePacer
from cf_llama.transport.limits.shared import SharedPacer
from cf_llama.transport.limits.snapshot import Limits

DOCUMENTED = 300
"""Requests a minute that an account may send (Cloudflare docs: Workers AI limits, text generation)."""
_SERVICE_HOSTS = ("api.cloudflare.com", "gateway.ai.cloudflare.com", "workers-binding.ai")
_GATEWAY_ID = "cf-aig-gateway-id"

_lock = Lock()
_gates: dict[tuple[object, ...], Gate] = {}
_quotas: dict[tuple[object, ...], DailyQuota] = {}
_stores: dict[str, RateLimitStore] = {}
_inherited: list[RateLimitStore] = []
"""The parent's, in a forked child: SQLite forbids to close its connections there (sqlite.org: how to corrupt)."""


def gate_of(connection: Connection, model: str) -> Gate | None:
    """The gate that calls over this connection share; None where `rate_limit` is False."""
    limit = connection.rate_limit
    if limit is False:
        return None
    gateway = connection.gateway.id if connection.gateway else connection.headers.get(_GATEWAY_ID)
    key = (connection.base_url, connection.account_id, model, gateway, limit)
    gate = _gates.get(key)
    if gate is None:
        documented = DOCUMENTED if connection.host in _SERVICE_HOSTS else None
        with _lock:
            pacer = _pacer(limit, documented, key[:-1])
            quota = _quotas.setdefault((connection.base_url, connection.account_id), DailyQuota())
            gate = _gates.setdefault(key, Gate(pacer, is_quiet=limit is None, quota=quota))
    return gate


def _pacer(limit: RateLimit | None, documented: int | None, owner: tuple[object, ...]) -> Pacer:
    if limit is None or limit.store is None:
        return RatePacer(limit, documented, offset=time() - monotonic())
    store = limit.store
    if isinstance(store, str):
        from cf_llama.transport.limits.store import open_store  # noqa: PLC0415 - only where it is used

        store = _stores[store] = _stores.get(store) or open_store(store)
    return SharedPacer(limit, sha256(repr(owner).encode()).hexdigest()[:16], store)


def limits_of(connection: Connection, model: str) -> Limits | None:
    """What this process knows of the limits of an account and model; None where `rate_limit` is False."""
    gate = gate_of(connection, model)
    return gate.limits() if gate else None


def forget_limits() -> None:
    """Forget what this process has learned of limits, such as a daily allocation that is used up."""
    global _lock  # noqa: PLW0603 - in a forked child, another thread of the parent may have held it
    _lock = Lock()
    _gates.clear()
    _quotas.clear()
    _stores.clear()


def _forget_in_child() -> None:
    _inherited.extend(_stores.values())
    forget_limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
