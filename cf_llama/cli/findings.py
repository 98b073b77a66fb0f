"""What `doctor` finds out without a call: settings, certificates and proxies. Values are named and never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cf_llama.cli.errors import WITHOUT_ACCOUNT
from cf_llama.config.connection import is_loopback
from cf_llama.config.credentials import ACCOUNT_VARIABLES, TOKEN_VARIABLES
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import (
    BadResponseError,
    ConnectionFailedError,
    MissingCredentialsError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
    WorkersAIError,
)

Status = Literal["ok", "failed", "skipped"]
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_GLOBAL_KEY_VARIABLES = ("CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL")
_GLOBAL_KEY = (
    "CLOUDFLARE_API_KEY beside CLOUDFLARE_EMAIL is a global API key, which is not used here: create an API token "
    "under My Profile > API Tokens."
)
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    name: str
    status: Status
    text: str = ""
    advice: str = ""
    """What to do about a failure; empty if the text says it."""


def failure(name: str, error: WorkersAIError) -> Finding:
    """The finding of a check that ended with an error."""
    message = str(error).removesuffix(error.advice).rstrip()
    return Finding(name, "failed", message, error.advice or _advice(error))


def _advice(error: WorkersAIError) -> str:
    if isinstance(error, RequestTimeoutError):
        return "Try again, or wait for longer with --set timeout=SECONDS."
    if isinstance(error, StreamInterruptedError | BadResponseError):
        return "Run it again; if it comes back, check what is between here and the service, or ask without streaming."
    if isinstance(error, ServiceError):
        return "Try again later; www.cloudflarestatus.com tells of outages."
    if isinstance(error, ConnectionFailedError) and not _says_what_to_do(error):
        return "Check the network, the proxy variables and base_url; an emulator has to be running (`cf-llama serve`)."
    return ""


def _says_what_to_do(error: ConnectionFailedError) -> bool:
    return not error.is_retryable or "names a proxy" in error.message


def check_settings(settings: Settings) -> Finding:
    """Whether token, account and base URL are there and well-formed, and where they come from."""
    try:
        settings.connection()
    except MissingCredentialsError as error:
        return Finding("settings", "failed", str(error), _GLOBAL_KEY if _has_global_key_alone() else WITHOUT_ACCOUNT)
    except WorkersAIError as error:
        return Finding("settings", "failed", str(error), "Correct the variable, or what --set says.")
    token, *more_tokens = _set_variables((*TOKEN_VARIABLES, "CLOUDFLARE_API_KEY")) or ["--set"]
    account, *more_accounts = _set_variables(ACCOUNT_VARIABLES) or ["--set"]
    base_url = "base URL from CLOUDFLARE_BASE_URL" if _set_variables(("CLOUDFLARE_BASE_URL",)) else "usual base URL"
    more = more_tokens + more_accounts
    unused = f"; not used: {', '.join(more)}" if more else ""
    return Finding("settings", "ok", f"token from {token}, account from {account}, {base_url}{unused}")


def check_certificates(settings: Settings) -> Finding:
    """Whether the files of the certificate variables are there."""
    if urlsplit(settings.base_url).scheme != "https":
        return Finding("certificates", "skipped", "the base URL is not https")
    names = _set_variables(_CERTIFICATE_VARIABLES)
    for name in names:
        if not Path(os.environ[name]).exists():
            advice = f"Correct the path, or unset {name}."
            return Finding("certificates", "failed", f"{name} names a file that does not exist", advice)
    return Finding("certificates", "ok", f"from {', '.join(names)}" if names else "those of the package certifi")


def check_proxy(settings: Settings) -> Finding:
    """Which proxy variable applies; whether the proxy works is seen by the connection."""
    if is_loopback(urlsplit(settings.base_url).hostname or ""):
        return Finding("proxy", "skipped", "the base URL is this machine")
    names = _set_variables(_PROXY_VARIABLES)
    if not names:
        return Finding("proxy", "ok", "none is set")
    exceptions = ", with exceptions in NO_PROXY" if _set_variables(("NO_PROXY", "no_proxy")) else ""
    return Finding("proxy", "ok", f"set by {', '.join(names)}{exceptions}")


def check_setup(settings: Settings) -> Iterator[Finding]:
    """All checks that need no call; the first that fails is the last."""
    for check in (check_settings, check_certificates, check_proxy):
        finding = check(settings)
        yield finding
        if finding.status == "failed":
            return


def _has_global_key_alone() -> bool:
    return _set_variables((*TOKEN_VARIABLES, *_GLOBAL_KEY_VARIABLES)) == list(_GLOBAL_KEY_VARIABLES)


def _set_variables(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if os.environ.get(name, "").strip()]
