"""The models the emulator knows by name, and what it says about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cf_llama_emulator.wire.embeddings import EMBEDDING_MODELS, EmbeddingModel
from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SPECULATIVE_ALIAS = "@cf/meta/llama-3.3-70b-instruct-sd"
"""What recorded answers of this model give as `model` since it is served with speculative decoding."""

MODELS = (
    MODEL,
    SPECULATIVE_ALIAS,
    "@cf/meta/ray-llama-3.3-70b-instruct-fp8-fast",
    "@cf/meta/llama-3.1-8b-instruct",
    "@cf/meta/llama-3.1-8b-instruct-fast",
    "@cf/meta/llama-3.1-8b-instruct-fp8",
    "@cf/meta/llama-3.1-70b-instruct",
    "@cf/meta/llama-3.2-3b-instruct",
    "@cf/mistralai/mistral-small-3.1-24b-instruct",
    "@cf/qwen/qwen2.5-coder-32b-instruct",
)
"""Text generation models that answer here; each of them thinks with the one engine the emulator has."""


def echoed(model: str) -> str:
    """Return the name under which a hybrid answer to `model` comes back."""
    return SPECULATIVE_ALIAS if model == MODEL else model


def catalogue_page(models: Iterable[str], query: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return one page of the models whose name contains `search`, and the counts of `result_info`.

    The first page holds them all, whatever `per_page` says, and every other one is empty.
    """
    named = [*map(_entry, models), *map(_embedding_entry, EMBEDDING_MODELS.values())]
    found = [entry for entry in named if query.get("search", "") in entry["name"]]
    page = int(query["page"]) if re.fullmatch("[1-9][0-9]{0,8}", query.get("page", "")) else 1
    shown = found if page == 1 else []
    counts = {"count": len(shown), "page": page, "per_page": max(len(found), 1), "total_count": len(found)}
    return shown, counts


def _entry(model: str) -> dict[str, Any]:
    return _described(model, "Text Generation", "context_window", CONTEXT_WINDOW)


def _embedding_entry(model: EmbeddingModel) -> dict[str, Any]:
    return _described(model.name, "Text Embeddings", "output_dimensions", model.dimensions)


def _described(model: str, task: str, named: str, value: int) -> dict[str, Any]:
    return {
        "id": model,
        "name": model,
        "description": "Answered by an emulator.",
        "task": {"id": task.lower().replace(" ", "-"), "name": task},
        "tags": [],
        "properties": [{"property_id": named, "value": str(value)}],
    }
