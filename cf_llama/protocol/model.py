"""Published facts about the model this project supports.

Sources: the model's page in the Workers AI catalogue (context window, defaults, ranges) and the Workers AI
pricing page (neurons and dollars).
"""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
PROVIDER = "cloudflare-workers-ai"
CONTEXT_WINDOW = 24_000
"""Tokens of input and of the longest answer asked for, together."""
DEFAULT_MAX_TOKENS = 2048
"""Ours. The service's own default of 256 cuts long answers and tool arguments without a word."""
DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"

DOLLARS_PER_INPUT_TOKEN = 0.293e-6
DOLLARS_PER_OUTPUT_TOKEN = 2.253e-6


@dataclass(frozen=True, slots=True)
class Range:
    """The closed interval in which the service accepts a parameter."""

    low: float
    high: float


RANGES = {
    "temperature": Range(0, 5),
    "top_p": Range(0.001, 1),
    "top_k": Range(1, 50),
    "seed": Range(1, 9_999_999_999),
    "repetition_penalty": Range(0, 2),
    "frequency_penalty": Range(-2, 2),
    "presence_penalty": Range(-2, 2),
    "max_tokens": Range(1, CONTEXT_WINDOW),
}
"""From the input schema of the model's page; the bounds of `max_tokens` follow from the context window."""


def cost(input_tokens: int, output_tokens: int) -> float:
    """US dollars at the published price; free allocations and contracts are not known here."""
    return input_tokens * DOLLARS_PER_INPUT_TOKEN + output_tokens * DOLLARS_PER_OUTPUT_TOKEN
