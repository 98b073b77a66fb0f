"""The endpoint, account, headers and timeouts of a request, validated before it is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.dataclasses import dataclass as validated

from cf_llama.config.budget import Budget
from cf_llama.config.credentials import ACCOUNT_ID, check_account_id, check_token
from cf_llama.config.gateway import LEGACY_HOST, Gateway
from cf_llama.config.rate_limit import RateLimit
from cf_llama.config.redaction import Redactor
from cf_llama.protocol.errors import InvalidRequestError, MissingCredentialsError
from cf_llama.version import __version__

_MODEL = re.compile(r"@?[A-Za-z0-9][\w.:-]*(/[A-Za-z0-9][\w.:-]*)+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_SOURCES = {
    "account_id": "CLOUDFLARE_ACCOUNT_ID (or CF_ACCOUNT_ID)",
    "api_token": "CLOUDFLARE_API_TOKEN (or CLOUDFLARE_AUTH_TOKEN, CF_AI_API_TOKEN, CF_API_TOKEN, "
    "or CLOUDFLARE_API_KEY while CLOUDFLARE_EMAIL is unset)",
}
BINDING_URL = "https://workers-binding.ai/run"
"""Where a Worker's AI binding sends its requests; the model's id follows."""
_API_HOST, _GATEWAY_HOST = "api.cloudflare.com", "gateway.ai.cloudflare.com"
_ROUTE = re.compile(r"(?:/accounts|(?<=/client/v4)/ai|(?<=gateway\.ai\.cloudflare\.com)/v1|/workers-ai)(?=/|$).*")
"""The part to remove if a base URL includes a route."""
_PORTS = {None, *range(1, 1 << 16)}
_LONGEST_LABEL = 63  # bytes between two dots of a host name, by RFC 1035
_GATEWAY_TOKEN = "cf-aig-authorization"  # noqa: S105 - a header's name
_RESERVED_HEADERS = {
    *("authorization", "content-length", "content-type", "host", "accept-encoding"),
    *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),  # of the connection
}


@validated(frozen=True, kw_only=True)
class Timeouts:
    """Timeouts in seconds; None means no timeout.

    The service itself gives up on an unstreamed answer after about two minutes, hence the default for `read`.
    """

    connect: float | None = Field(default=10.0, gt=0)
    """Timeout for opening a connection."""
    read: float | None = Field(default=130.0, gt=0)
    """Timeout for a response that is not streamed."""
    stall: float | None = Field(default=60.0, gt=0)
    """Timeout for the next event of a stream."""
    total: float | None = Field(default=None, gt=0)
    """Timeout for the whole call with all attempts, checked whenever data arrives or a wait ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An account on a host, with credentials, headers and timeouts.

    Raises:
        MissingCredentialsError: the account or the token is missing.
        InvalidRequestError: one of them is malformed, or the token would go over plain http to another machine.
    """

    base_url: str
    account_id: str | None = field(repr=False)
    api_token: SecretStr | None = field(repr=False)
    allow_insecure_base_url: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_retries: int = 2
    max_connections: int = 1000
    rate_limit: RateLimit | Literal[False] | None = None
    """None learns the limit from refusals; False disables pacing."""
    budget: Budget | None = None
    rate_limit_wait: float | None = None
    """Seconds to wait for a place under the limit; None: for as long as calls are let through, and two minutes more."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gateway: Gateway | None = None
    """A gateway used through its own host, or by a binding; an emulator on this machine serves that host too."""
    binding: Any = field(default=None, repr=False)
    """A Worker's AI binding, which is called instead of a host; account, token and base URL are then unused."""
    user_agent: str = "cf_llama"

    def __post_init__(self) -> None:
        if self.binding is not None:
            self._use_binding()
            return
        account_id = self.account_id or ""
        token = self.api_token.get_secret_value() if self.api_token else ""
        if missing := [name for name, value in zip(_SOURCES, (account_id, token), strict=True) if not value]:
            reasons = (f"{name} is missing: pass it, or set {_SOURCES[name]}" for name in missing)
            raise MissingCredentialsError("; ".join(reasons))
        try:  # values from the environment have not been checked before
            object.__setattr__(self, "account_id", check_account_id(account_id))
            check_token(token)
            object.__setattr__(self, "base_url", check_base_url(self.base_url))
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        if not (self.allow_insecure_base_url or _is_safe(self.base_url)):
            raise InvalidRequestError(
                "base_url must be https, or http to this machine: the token would travel in the clear "
                "(allow_insecure_base_url=True sends it all the same)"
            )

    def _use_binding(self) -> None:
        if self.gateway and self.gateway.legacy_host:
            raise InvalidRequestError("gateway: legacy_host sets another host, which a binding does not call")
        for name, value in {"base_url": BINDING_URL, "account_id": None, "api_token": None}.items():
            object.__setattr__(self, name, value)

    def url(self, model: str) -> str:
        """The URL that runs `model`; its name is not escaped, as in the official samples."""
        if self.binding is not None:
            return f"{BINDING_URL}/{model}"
        if self.gateway:
            return self.gateway.url(str(self.account_id), model, _gateway_host(self.base_url))
        return f"{self.base_url}/accounts/{self.account_id}/ai/run/{model}"

    def run_options(self) -> dict[str, Any]:
        """Options of a binding's `run`: what is a header over HTTP."""
        options: dict[str, Any] = {"extraHeaders": dict(self.headers)} if self.headers else {}
        return options | ({"gateway": self.gateway.options()} if self.gateway else {})

    @property
    def host(self) -> str:
        """The host name, for error messages."""
        return str(_parsed(self.url("model")).host)

    def redactor(self) -> Redactor:
        """Redacts the account, the token and a gateway's token in server messages."""
        token = self.api_token.get_secret_value() if self.api_token else ""
        return Redactor((str(self.account_id), token, self.headers.get(_GATEWAY_TOKEN, "").removeprefix("Bearer ")))

    def http_headers(self) -> dict[str, str]:
        """Headers of a request with the token, created when needed and not stored."""
        token = self.api_token.get_secret_value() if self.api_token else ""
        return {
            "user-agent": f"{self.user_agent}/{__version__}",
            **self.headers,
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
        }


@cache
def _gateway_host(base_url: str) -> str:
    url = _parsed(base_url)
    return str(url.copy_with(raw_path=b"/v1")) if is_loopback(url.host) else LEGACY_HOST


@cache  # a URL costs more to parse than all else that is checked before a call
def _is_safe(base_url: str) -> bool:
    url = _parsed(base_url)
    return url.scheme == "https" or is_loopback(url.host)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def check_base_url(value: str) -> str:
    """An absolute http(s) URL without credentials, query or fragment; a slash at its end is dropped.

    A server of your own may have any path, but none that goes on into the API: account and route are added here.
    """
    url = _parsed(value.strip())
    can_be = url.scheme in {"http", "https"} and _can_be_host(url.host) and url.port in _PORTS
    if not can_be or url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must be an http(s) URL without credentials, query or fragment, ending in /client/v4")
    base_url = str(url).rstrip("/")
    if too_much := _ROUTE.search(base_url):
        advice = (
            "give the gateway as gateway="
            if url.host == _GATEWAY_HOST
            else f"take off {ACCOUNT_ID.sub('...', too_much[0])}"
        )
        raise ValueError(f"base_url must end in /client/v4; {advice}, as account, route and model are added to it")
    if url.host == _API_HOST and not base_url.endswith("/client/v4"):
        raise ValueError(f"base_url must end in /client/v4: https://{_API_HOST}/client/v4")
    return base_url


def _can_be_host(host: str) -> bool:
    return ":" in host or all(0 < len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split("."))


def _parsed(url: str) -> Any:
    """Parse a URL; invalid ones become an empty URL."""
    import httpx  # noqa: PLC0415 - takes longer to import than all of ours

    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        return httpx.URL("")


def check_model(value: str) -> str:
    """Validate a model id for use in a path."""
    if not _MODEL.fullmatch(value):
        raise ValueError("model must be an id like @cf/meta/llama-3.3-70b-instruct-fp8-fast")
    return value


def check_header(name: str, value: str) -> str:
    """Validate a header value."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{name} must be printable ASCII")
    return value


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Validate the user's headers, in lower case; headers that every request needs cannot be replaced."""
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError(f"default_headers: {name!r} is no header name")
        if name.lower() in _RESERVED_HEADERS:
            raise ValueError(f"default_headers must not set {name.lower()}")
        check_header(f"default_headers[{name!r}]", value)
    return {name.lower(): value for name, value in headers.items()}
