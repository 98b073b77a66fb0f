"""Words: what texts have in common."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDINGS = ("ing", "ies", "ed", "es", "s")
_SHORTEST_STEM = 3
_COMMON = (
    "a an and any are as at be but by can could did do does for from get give had has have how i if in into is it its "
    "me my no not of on or our please return should so tell than that the their them then there these they this to "
    "use using was we were what when where which who whose why will with would you your"
)
COMMON_WORDS = frozenset(_COMMON.split())
"""Words that tell nothing about a text."""


def stems(text: str) -> frozenset[str]:
    """Return the telling words of a text or of an identifier, lower-case and without their endings."""
    words = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return frozenset(stem(word) for word in words if word not in COMMON_WORDS)


def stem(word: str) -> str:
    """Return a lower-case word without its plural, past or continuous ending."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word
