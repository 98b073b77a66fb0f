"""The published facts agree with each other."""

from __future__ import annotations

import pytest

from cf_llama import CONTEXT_WINDOW, MODEL
from cf_llama.config.connection import check_base_url, check_model
from cf_llama.protocol.model import DEFAULT_BASE_URL, DEFAULT_MAX_TOKENS, RANGES, cost


def test_names_pass_our_own_checks():
    assert check_model(MODEL) == MODEL == "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    assert check_base_url(DEFAULT_BASE_URL) == DEFAULT_BASE_URL


def test_the_longest_answer_fits_the_window():
    assert RANGES["max_tokens"].high == CONTEXT_WINDOW == 24_000
    assert RANGES["max_tokens"].low <= DEFAULT_MAX_TOKENS <= CONTEXT_WINDOW


def test_dollars_follow_the_price_in_neurons():
    """Cloudflare's pricing page: 26,668 and 204,805 neurons for a million tokens, 0.011 dollars for 1,000 neurons."""
    assert cost(1_000_000, 0) == pytest.approx(26_668 * 0.011 / 1000, rel=0.005)
    assert cost(0, 1_000_000) == pytest.approx(204_805 * 0.011 / 1000, rel=0.005)
