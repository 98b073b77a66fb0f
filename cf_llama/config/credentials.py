"""Reads account and token from the environment, validates them, and wraps secrets so that frameworks hide them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Secret, SecretStr

from cf_llama.protocol.model import DEFAULT_BASE_URL

TOKEN_VARIABLES = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_AUTH_TOKEN", "CF_AI_API_TOKEN", "CF_API_TOKEN")
ACCOUNT_VARIABLES = ("CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID")
SECRETS = ("account_id", "api_key", "api_token", "default_headers", "extra_headers")
"""Settings and options of a call that are never shown."""
ACCOUNT_ID = re.compile(r"[0-9a-fA-F]{32}")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_API_TOKEN = re.compile(r"cf[a-z]?t_.*|[\w-]{40}", re.ASCII)
_GLOBAL_KEY = re.compile(r"cfk_.*|[0-9a-f]{37}")
_ACCOUNT_ID_LENGTH = 32
_QUOTATION_MARKS = "\"'`\u201c\u201d\u2018\u2019"


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


def check_account_id(value: str) -> str:
    """Validate an account id; for invalid ones the service responds with a misleading 404 (code 7003).

    Raises:
        ValueError: it is not one; the message says what is wrong and does not contain it.
    """
    value = value.strip()
    if not ACCOUNT_ID.fullmatch(value):
        raise ValueError(f"account_id must be 32 hexadecimal digits; {_account_id_problem(value)}")
    return value.lower()  # the form in which Cloudflare writes it, and the only one that its routes are known to accept


def _account_id_problem(value: str) -> str:
    if _is_quoted(value):
        return "remove the quotation marks around it"
    if _API_TOKEN.fullmatch(value):
        return "this has the form of an API token: are account_id and api_token swapped?"
    if "@" in value:
        return "this is an e-mail address, and the id is in the dashboard's address"
    return f"this has {len(value)} characters" if len(value) != _ACCOUNT_ID_LENGTH else "this has other characters"


def check_token(value: str) -> str:
    """Validate a token for use in a header.

    Raises:
        ValueError: it cannot be one; the message says what is wrong and does not contain it.
    """
    value = value.strip()
    if wrong := _token_problem(value):
        raise ValueError(f"api_token must be {wrong}")
    return value


def _token_problem(value: str) -> str:
    if _is_quoted(value):
        return "without quotation marks: remove those around it"
    if value.lower().startswith("bearer "):
        return "the token alone: remove the word Bearer before it"
    if not _TOKEN.fullmatch(value) or value.startswith("${"):
        return "printable ASCII without spaces or line breaks, and no ${...} placeholder"
    if _GLOBAL_KEY.fullmatch(value):
        return "an API token; this has the form of a global API key"
    if ACCOUNT_ID.fullmatch(value):
        return "an API token; this has the form of an account id"
    return ""


def _is_quoted(value: str) -> bool:
    return value[:1] in _QUOTATION_MARKS and value[-1:] in _QUOTATION_MARKS and bool(value)


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
