"""Keyword arguments of the models for type checkers: the settings, and LangChain's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from langchain_core.caches import BaseCache
from langchain_core.callbacks import Callbacks
from langchain_core.language_models import ModelProfile
from langchain_core.rate_limiters import BaseRateLimiter

from cf_llama.config.setting_options import SettingsOptions


class ModelOptions(SettingsOptions, total=False):
    """Keyword arguments of both models."""

    name: str | None
    cache: BaseCache | bool | None
    verbose: bool | None
    callbacks: Callbacks
    tags: list[str] | None
    metadata: dict[str, Any] | None
    custom_get_token_ids: Callable[[str], list[int]] | None


class LLMOptions(ModelOptions, total=False):
    """Keyword arguments of `CloudflareLlamaLLM`."""

    raw: bool | None


class ChatModelOptions(ModelOptions, total=False):
    """Keyword arguments of `ChatCloudflareLlama`."""

    streaming: bool | None
    stream_usage: bool | None
    include_response_headers: bool | None
    rate_limiter: BaseRateLimiter | None
    disable_streaming: bool | Literal["tool_calling"]
    output_version: str | None
    profile: ModelProfile | None
