"""AI Gateway, as a proxy of the model: its settings, and the headers that carry them.

Names, units and limits are those of Cloudflare's AI Gateway pages. What the service would drop without a word is
refused here: a sixth entry of the metadata is lost, and one that is null or nested loses all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic.dataclasses import dataclass as validated

LEGACY_HOST = "https://gateway.ai.cloudflare.com/v1"
_MONTH = 30 * 24 * 3600
_MOST_METADATA = 5


def _printable(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII")
    return value


def _path_segment(value: str) -> str:
    if not value.replace("-", "").replace("_", "").isalnum() or not value.isascii():
        raise ValueError("must be a gateway's id: letters, digits, - and _")
    return value


def _metadata(entries: dict[str, Any]) -> dict[str, Any]:
    if len(entries) > _MOST_METADATA:
        raise ValueError(f"takes at most {_MOST_METADATA} entries; the service drops the rest")
    if reserved := [key for key in entries if key.startswith("cf.")]:
        raise ValueError(f"keys that start with cf. are reserved: {', '.join(reserved)}")
    return entries


Finite = Annotated[StrictFloat, Field(allow_inf_nan=False)]  # JSON knows no other
Scalar = StrictStr | StrictBool | StrictInt | Finite
_LONGEST_WAIT = 3600.0
Printable = Annotated[str, AfterValidator(_printable)]


@validated(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class Gateway:
    """A gateway, and how it handles a request; None leaves a field to the gateway's own settings.

    An authenticated gateway wants `default_headers={"cf-aig-authorization": "Bearer ..."}` on the model.
    """

    id: Annotated[str, AfterValidator(_path_segment)]
    """Its id; `default` is made at first use."""
    cache_ttl: int | None = Field(default=None, ge=60, le=_MONTH)
    """Seconds an answer is kept."""
    cache_key: Printable | None = None
    """What counts as the same request, in place of the request itself."""
    skip_cache: bool | None = None
    """True: always a fresh answer. Even a gateway with caching disabled repeats answers for some minutes."""
    collect_log: bool | None = None
    metadata: Annotated[dict[str, Scalar], AfterValidator(_metadata)] | None = None
    """At most five entries of text, numbers or booleans, for the gateway's log."""
    event_id: Printable | None = None
    request_timeout: float | None = Field(default=None, ge=0.001, le=_LONGEST_WAIT)
    """Seconds to the first byte, from a millisecond to an hour, after which the gateway gives up (code 2014)."""
    max_attempts: int | None = Field(default=None, ge=1, le=5)
    """Attempts of the gateway itself; ours multiply with them."""
    retry_delay: float | None = Field(default=None, ge=0, le=5)
    """Seconds."""
    backoff: Literal["constant", "linear", "exponential"] | None = None
    legacy_host: bool = False
    """Send to gateway.ai.cloudflare.com instead of naming the gateway in a header."""

    def headers(self) -> dict[str, str]:
        """The headers of a request through this gateway."""
        values = {
            "gateway-id": None if self.legacy_host else self.id,
            "cache-ttl": self.cache_ttl,
            "cache-key": self.cache_key,
            "skip-cache": self.skip_cache,
            "collect-log": self.collect_log,
            "metadata": json.dumps(self.metadata) if self.metadata else None,
            "event-id": self.event_id,
            "request-timeout": _milliseconds(self.request_timeout),
            "max-attempts": self.max_attempts,
            "retry-delay": _milliseconds(self.retry_delay),
            "backoff": self.backoff,
        }
        return {f"cf-aig-{name}": _text(value) for name, value in values.items() if value is not None}

    def options(self) -> dict[str, Any]:
        """The option `gateway` of a Worker's binding."""
        retries = {
            "maxAttempts": self.max_attempts,
            "retryDelayMs": _milliseconds(self.retry_delay),
            "backoff": self.backoff,
        }
        values = {
            "id": self.id,
            "cacheTtl": self.cache_ttl,
            "cacheKey": self.cache_key,
            "skipCache": self.skip_cache,
            "collectLog": self.collect_log,
            "metadata": self.metadata or None,
            "eventId": self.event_id,
            "requestTimeoutMs": _milliseconds(self.request_timeout),
            "retries": _without_unset(retries) or None,
        }
        return _without_unset(values)

    def url(self, account_id: str, model: str, host: str = LEGACY_HOST) -> str:
        """The route of a model on the gateway's own host."""
        return f"{host}/{account_id}/{self.id}/workers-ai/{model}"

    def as_json(self) -> Mapping[str, Any]:
        """The settings that are set, to make the same gateway again."""
        return _without_unset(asdict(self))


def _without_unset(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _text(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
