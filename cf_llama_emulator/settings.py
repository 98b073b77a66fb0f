"""Settings of an emulator, for every request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cf_llama_emulator.hosts import LOOPBACK_HOSTS
from cf_llama_emulator.wire.models import MODELS
from cf_llama_emulator.wire.writers import WRITERS, Writer

if TYPE_CHECKING:
    from cf_llama_emulator.server.access_log import AccessLogEntry
    from cf_llama_emulator.server.request_log import LoggedRequest

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
"""The account that the emulator has by default."""

API_TOKEN = "emulator-token"  # noqa: S105 - made up and documented, it opens nothing
"""The token that the emulator accepts by default."""

UPSTREAM = "https://api.cloudflare.com/client/v4"
"""The service's base URL."""


@dataclass(frozen=True, kw_only=True)
class ServiceAccount:
    """An account of the real service, which the playground may ask; nothing else uses it.

    Raises:
        ValueError: for a value that cannot be right, without the value.
    """

    account_id: str = field(repr=False)
    """32 hexadecimal digits."""
    api_token: str = field(repr=False)
    base_url: str = UPSTREAM
    """Ends in `/client/v4`; plain http is for this machine only."""
    read_timeout: float = 130.0
    """Seconds without a byte from the service after which it has not answered."""

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-fA-F]{32}", self.account_id):
            raise ValueError("account_id must be 32 hexadecimal digits")
        if not re.fullmatch(r"[\x21-\x7e]+", self.api_token):
            raise ValueError("api_token must be printable ASCII without spaces")
        url = urlsplit(self.base_url)
        is_safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"})
        if not is_safe or not url.hostname or "@" in url.netloc or url.query or url.fragment:
            raise ValueError("base_url must be https, or http to this machine, without user name and query")

    @property
    def host(self) -> str:
        """The host, with its port if the URL has one."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of an emulator; the defaults are the service's behaviour.

    Raises:
        ValueError: for a `shape` that is not known.
    """

    account_id: str | None = ACCOUNT_ID
    """The account the token belongs to, 32 hexadecimal digits; None takes any."""
    api_token: str | None = field(default=API_TOKEN, repr=False)
    """The token that is right; None takes any."""
    shape: str = "native"
    """native, hybrid or openai: how `/ai/run` answers; a request's `x-emulator-shape` header goes first."""
    coerce: bool = True
    """Whether text that is JSON by itself arrives as its value, as on the service."""
    padding: bool = True
    """Whether events carry random padding."""
    increments: bool = False
    """Whether events of the native shape count their tokens too."""
    json_streams: bool = False
    """Whether a JSON schema may be streamed; the service refuses it."""
    faults: str | Callable[[LoggedRequest], str] = ""
    """What goes wrong with every request, `name[=value], ...`; or a function that says so for each request seen."""
    models: tuple[str, ...] = MODELS
    """The models that exist."""
    hosts: frozenset[str] = LOOPBACK_HOSTS
    """`Host` names that are served, without port; "*" serves all."""
    origins: frozenset[str] = frozenset()
    """Browser origins that are served; "*" serves all."""
    queue_file: str | Path | None = None
    """Where batches are kept, so that they survive a restart; None keeps them in memory alone."""
    cassette: str | Path | None = None
    """Recorded answers that are replayed, in place of an engine's; see `cf_llama_emulator.cassettes`."""
    cassette_speed: float | None = None
    """1 replays as fast as recorded, 2 twice as fast; None at once."""
    cassette_again: bool = True
    """Whether the answers to identical requests begin anew after the last; otherwise a further request is refused."""
    log_length: int = 10_000
    """How many requests are remembered; the oldest are forgotten first."""
    log_bytes: int = 100_000_000
    """How much of their content is remembered, in bytes."""

    access_log: Callable[[AccessLogEntry], None] | None = None
    """Called on the server's own thread for each request, once its answer has ended; None for no log."""
    playground: bool = False
    """Whether `/` is the playground, a page for trying prompts, to browsers on this machine."""

    service: ServiceAccount | None = None
    """The account with which the playground may ask the real service, at the account's cost; None for none."""

    def __post_init__(self) -> None:
        if self.shape not in WRITERS:
            raise ValueError(f"shape must be one of {', '.join(WRITERS)}, not {self.shape!r}")

    def writer(self, model: str, prompt_tokens: int) -> Writer:
        """Return what writes one answer."""
        return WRITERS[self.shape](model, prompt_tokens, self.coerce, self.padding, self.increments)
