"""Reads account and token from the environment, and wraps secrets so that frameworks do not show them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import Secret, SecretStr

from cf_llama.protocol.model import DEFAULT_BASE_URL

TOKEN_VARIABLES = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_AUTH_TOKEN", "CF_AI_API_TOKEN", "CF_API_TOKEN")
ACCOUNT_VARIABLES = ("CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID")
SECRETS = ("account_id", "api_key", "api_token", "default_headers")
"""Settings that are never shown."""


def wrap_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap the secret options of a call so that they are not shown; settings accept wrapped values."""
    return {name: _wrap(value) if name in SECRETS else value for name, value in options.items()}


def _wrap(value: Any) -> Any:
    if value is None or isinstance(value, SecretStr | Secret):
        return value
    return SecretStr(value) if isinstance(value, str) else Secret(value)


def unwrap_secret(value: Any) -> Any:
    """Return the value that `wrap_secrets` wrapped."""
    return value.get_secret_value() if isinstance(value, SecretStr | Secret) else value


def token_from_environment() -> SecretStr | None:
    """The first of the usual variables that is set.

    `CLOUDFLARE_API_KEY` comes last and only without `CLOUDFLARE_EMAIL`: with it, it is the account's global key.
    """
    names = TOKEN_VARIABLES if os.environ.get("CLOUDFLARE_EMAIL") else (*TOKEN_VARIABLES, "CLOUDFLARE_API_KEY")
    value = _first_set(names)
    return SecretStr(value) if value else None


def account_from_environment() -> str | None:
    """Return `CLOUDFLARE_ACCOUNT_ID`, else `CF_ACCOUNT_ID`."""
    return _first_set(ACCOUNT_VARIABLES)


def base_url_from_environment() -> str:
    """Return `CLOUDFLARE_BASE_URL`, else Cloudflare's API."""
    return _first_set(("CLOUDFLARE_BASE_URL",)) or DEFAULT_BASE_URL


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)
