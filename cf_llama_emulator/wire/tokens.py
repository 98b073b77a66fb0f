"""Estimates: how many tokens a text is, and what an answer costs."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

from cf_llama_emulator.wire.engine_protocol import Call, EngineRequest

CONTEXT_WINDOW = 24_000
"""Tokens for input and `max_tokens` together (Workers AI model page)."""

CHARACTERS_PER_TOKEN = 4
"""What the service's own input estimate comes to (reports of its error 5021)."""

NEURONS_PER_INPUT_TOKEN = 0.0266676660742342
NEURONS_PER_OUTPUT_TOKEN = 0.204805329442024
"""Recorded answers of this model; Cloudflare's pricing page rounds them to 26,668 and 204,805 per million."""


def estimate(text: str) -> int:
    """Return the estimated number of tokens in `text`."""
    return ceil(len(text) / CHARACTERS_PER_TOKEN)


def estimate_input(request: EngineRequest) -> int:
    """Return the estimated number of input tokens: texts, calls, tools and schema."""
    texts = [request.prompt or ""]
    for message in request.messages:
        texts.append(message["content"])
        texts.extend(_compact(call) for call in message.get("tool_calls") or ())
    texts.extend(tool.name + tool.description + _compact(tool.parameters) for tool in request.tools)
    texts.append(_compact(request.response_format) if request.response_format else "")
    return ceil(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)


def neurons(prompt_tokens: int, completion_tokens: int) -> float:
    """Return what an answer costs, in neurons."""
    return prompt_tokens * NEURONS_PER_INPUT_TOKEN + completion_tokens * NEURONS_PER_OUTPUT_TOKEN


def estimate_call(call: Call) -> int:
    """Return the estimated number of tokens of a call's name and arguments."""
    return estimate(call.name + arguments_text(call))


def arguments_text(call: Call) -> str:
    """Return a call's arguments as the JSON text that OpenAI's form carries."""
    return call.arguments if isinstance(call.arguments, str) else _compact(call.arguments)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=dict)
