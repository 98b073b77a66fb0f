"""Divides the usage of a batch over its requests, if the service reports only the total."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from cf_llama.protocol.reply import Usage


def usage_shares(total: Usage, lengths: Sequence[int], answers: Sequence[int]) -> list[Usage]:
    """Divide `total` over the answered requests; the shares add up to it.

    Args:
        total: What all of them used.
        lengths: The length of each request, in any unit: prompt tokens are divided by it.
        answers: The length of each answer: completion tokens are divided by it.
    """
    prompts = list(_divide(total.prompt_tokens, lengths))
    completions = list(_divide(total.completion_tokens, answers))
    rest = total.total_tokens - total.prompt_tokens - total.completion_tokens
    wholes = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    totals = [whole + extra for whole, extra in zip(wholes, _divide(rest, lengths), strict=True)]
    cached = list(_divide(total.cached_tokens, prompts))
    neurons = [None if total.neurons is None else total.neurons * part for part in _fractions(totals)]
    return [Usage(*share) for share in zip(prompts, completions, totals, cached, neurons, strict=True)]


def _divide(whole: int, weights: Sequence[int]) -> Iterator[int]:
    """Whole numbers in proportion to the weights; equal if all weights are 0."""
    weights = weights if any(weights) else [1] * len(weights)
    ends = [0, *accumulate(weights)]
    return (whole * end // ends[-1] - whole * start // ends[-1] for start, end in pairwise(ends))


def _fractions(weights: Sequence[int]) -> list[float]:
    whole = sum(weights)
    return [weight / whole if whole else 1 / len(weights) for weight in weights]
