"""Removes tokens of the template from text, and ends it at stop sequences."""

from __future__ import annotations

import re
from functools import lru_cache

SPECIAL_TOKENS = ("<|python_tag|>", "<|eom_id|>", "<|eot_id|>", "<|end_of_text|>", "<|begin_of_text|>")
"""Tokens of the Llama 3.3 template that now and then reach the text."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class TextFilter:
    """Text in, clean text out; the same text however it is split.

    Text that may be the beginning of a stop sequence or a special token is held back until it is clear.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self.stopped = False
        """Whether a stop sequence was met; everything after it is dropped."""
        self._stop = stop
        self._patterns = (*stop, *SPECIAL_TOKENS)
        self._match = _pattern_of(self._patterns)
        self._held = ""

    def feed(self, text: str) -> str:
        """Add text and return what is certain."""
        if not self._stop and not self._held and "<" not in text and not _ends_in_surrogate(text):
            return join_surrogates(text)
        return self._filter(self._held + text, final=False)

    @property
    def held(self) -> str:
        """Text held back."""
        return join_surrogates(self._held)

    def flush(self) -> str:
        """Return the text held back at the end."""
        return self._filter(self._held, final=True)

    def _filter(self, text: str, *, final: bool) -> str:
        shown: list[str] = []
        while not self.stopped:
            match = self._match.search(text)
            undecided = len(text) if final else self._undecided_from(text)
            if not match or undecided < match.start() or (undecided == match.start() and match[0] not in self._stop):
                shown.append(text[:undecided])
                self._held = text[undecided:]
                break
            shown.append(text[: match.start()])
            text = text[match.end() :]
            self.stopped = match[0] in self._stop
        return join_surrogates("".join(shown))

    def _undecided_from(self, text: str) -> int:
        """Where the longest ending starts that may become a pattern."""
        longest = max(map(len, self._patterns)) - 1
        for start in range(max(0, len(text) - longest), len(text)):
            ending = text[start:]
            if any(pattern.startswith(ending) and pattern != ending for pattern in self._patterns):
                return start
        return len(text) - _ends_in_surrogate(text)


@lru_cache(maxsize=128)  # most calls stop at the same texts
def _pattern_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, patterns)))


def _ends_in_surrogate(text: str) -> bool:
    """Whether the last character is the first half of a pair: an emoji may arrive in two escapes, in two events."""
    return "\ud800" <= text[-1:] <= "\udbff"


def join_surrogates(text: str) -> str:
    """Pairs of halves as the one character they are; a half that stays alone cannot be encoded and is replaced."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
