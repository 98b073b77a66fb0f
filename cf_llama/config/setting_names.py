"""Suggests the setting that an unknown name probably means: a typo, or another package's name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

NAMES_ELSEWHERE = {
    # langchain-openai, the OpenAI SDK, llama-index-llms-openai-like
    "model_name": "model",
    "openai_api_key": "api_token",
    "openai_api_base": "base_url",
    "api_base": "base_url",
    "request_timeout": "timeout",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
    "async_http_client": "http_async_client",
    # langchain-ollama, llama.cpp
    "num_predict": "max_tokens",
    "n_predict": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "base_uri": "base_url",
    # langchain-cloudflare, langchain-community, llama-index-llms-cloudflare-ai-gateway
    "cloudflare_account_id": "account_id",
    "cloudflare_api_token": "api_token",
    "cloudflare_api_base": "base_url",
    "cf_account_id": "account_id",
    "cf_api_token": "api_token",
    "cf_ai_api_token": "api_token",
    "ai_gateway": "gateway",
    "gateway_id": "gateway",
    "random_seed": "seed",
    "model_kwargs": "extra_body",
    # litellm, others
    "token": "api_token",
    "auth_token": "api_token",
    "url": "base_url",
    "retries": "max_retries",
    "headers": "default_headers",
    "extra_headers": "default_headers",
}
"""Names of settings in other packages, and here."""

NEEDLESS_HERE = frozenset(
    {
        "context_window",
        "is_chat_model",
        "is_function_calling_model",
        "reuse_client",
        "organization",
        "openai_organization",
        "use_responses_api",
        "endpoint_format",
    }
)
"""Settings of other packages that have no counterpart here, and need none."""


def unknown_setting(name: str, known: Iterable[str]) -> str:
    """The error message for an unknown setting."""
    if name.lower() in NEEDLESS_HERE:
        return f"{name}: no such setting; it is not needed here, leave it out"
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.7)
    suggestion = NAMES_ELSEWHERE.get(name.lower()) or (close[0] if close else "")
    advice = f"did you mean {suggestion}?" if suggestion else f"there are {', '.join(sorted(names))}"
    return f"{name}: no such setting; {advice}"
