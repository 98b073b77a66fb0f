"""Embeddings by rules: hashed words and letters, so that texts which share words are near each other.

No model is behind them. A word and its three-letter parts are each spread over a few dimensions that a hash chooses,
with a sign that it chooses too; the sum over the words of a text has length 1. The same text gives the same vector in
every process.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import log, sqrt

from cf_llama_emulator.engines.rules.stemming import COMMON_WORDS, stem

DESCRIPTION = "hashed words and letters, no model: texts that share words are near each other"

Vector = list[float]

_WORD = re.compile(r"[^\W_]+")
_COMMON_WEIGHT = 0.1
"""Of words such as "the", beside 1 for others."""
_PAIR_WEIGHT = 0.3
"""Of two words in a row."""
_PARTS_WEIGHT = 1.0
"""Of all parts of a word together, so that words of one family are near each other."""
_PART, _PARTED = 3, 40
"""Characters of a part, and how many at the head of a word have parts."""
_SPREAD = 4
"""Dimensions of one feature; several keep two features that share one apart."""
_DIGITS = 7


def embed(text: str, dimensions: int, space: str = "") -> Vector:
    """Return the vector of a text, of length 1.

    Args:
        text: Any text, also an empty one.
        dimensions: How many numbers the vector has.
        space: Vectors of different spaces have nothing to do with each other, as those of different models.
    """
    words = [stem(word) for word in _WORD.findall(text.lower())]
    features = Counter(words) + Counter(f"{first} {second}" for first, second in pairwise(words))
    vector = [0.0] * dimensions
    for feature, count in features.items():
        weight = _weight(feature) * (1 + log(count))
        for dimension, value in _spread(feature, dimensions, space):
            vector[dimension] += weight * value
    length = sqrt(sum(value * value for value in vector))
    if not length:  # no words, or words that cancel each other out
        return _unit(_hashed(text, dimensions, space), dimensions)
    return [round(value / length, _DIGITS) for value in vector]


_COMMON = frozenset(map(stem, COMMON_WORDS))


def _weight(feature: str) -> float:
    words = feature.split()
    common = _COMMON_WEIGHT if _COMMON.issuperset(words) else 1.0
    return common * (_PAIR_WEIGHT if len(words) > 1 else 1.0)


@lru_cache(maxsize=50_000)
def _spread(feature: str, dimensions: int, space: str) -> tuple[tuple[int, float], ...]:
    """Return what a word, or a pair of them, adds to a vector: dimensions and values."""
    added: defaultdict[int, float] = defaultdict(float)
    parts = [] if " " in feature else _parts(f"<{feature}>"[:_PARTED])
    weighted = [(f"word {feature}", 1.0), *((f"part {part}", _PARTS_WEIGHT / sqrt(len(parts))) for part in parts)]
    for name, weight in weighted:
        for dimension, value in _hashed(name, dimensions, space):
            added[dimension] += weight * value
    return tuple(added.items())


def _parts(word: str) -> set[str]:
    return {word[start : start + _PART] for start in range(max(len(word) - _PART + 1, 1))}


def _hashed(feature: str, dimensions: int, space: str) -> Iterator[tuple[int, float]]:
    digest = blake2b(f"{space}\0{feature}".encode("utf-8", "surrogatepass"), digest_size=4 * _SPREAD).digest()
    for start in range(0, len(digest), 4):
        number = int.from_bytes(digest[start : start + 4])
        yield (number >> 1) % dimensions, (1 if number & 1 else -1) / sqrt(_SPREAD)


def _unit(values: Iterator[tuple[int, float]], dimensions: int) -> Vector:
    """Return a vector that has only the first of some values."""
    vector = [0.0] * dimensions
    dimension, value = next(values)
    vector[dimension] = 1.0 if value > 0 else -1.0
    return vector
