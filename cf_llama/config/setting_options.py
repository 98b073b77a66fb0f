"""The settings as keyword arguments, for type checkers and editors; `settings`, beside it, says what each one means.

A test holds these names against the fields of the classes. Each type is what may be given, which is more than what
the field then holds: a number for `timeout`, a string for `stop`, an id for `gateway`, None for every default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from pydantic import SecretStr

from cf_llama.config.budget import Budget
from cf_llama.config.connection import Timeouts
from cf_llama.config.gateway import Gateway
from cf_llama.config.rate_limit import RateLimit


class SettingsOptions(TypedDict, total=False):
    """Keyword arguments of `Settings`, and of each model besides its framework's own."""

    model: str | None
    account_id: str | None
    api_token: str | SecretStr | Callable[[], str] | None
    api_key: str | SecretStr | Callable[[], str] | None
    base_url: str | None
    allow_insecure_base_url: bool | None
    timeout: float | Timeouts | Mapping[str, float | None] | None
    max_retries: int | None
    max_connections: int | None
    rate_limit: int | RateLimit | Mapping[str, float] | Literal[False] | None
    rate_limit_wait: float | None
    budget: Budget | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    repetition_penalty: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    lora: str | None
    stop: str | Sequence[str] | None
    extra_body: Mapping[str, Any] | None
    session_id: str | None
    gateway: str | Gateway | Mapping[str, Any] | None
    reject_if_busy: bool | None
    default_headers: Mapping[str, str] | None
    http_client: Any
    http_async_client: Any
    binding: Any
