"""What may stand behind a fault's `=`, and what stands there when nothing does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol


class Value(Protocol):
    """How to read the text behind a fault's name."""

    @property
    def hint(self) -> str:
        """What a list of faults shows behind the name, with the default."""
        ...

    def read(self, text: str | None) -> Any:
        """Return the value; None is no text at all.

        Raises:
            ValueError: saying what is allowed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """The fault is on or absent."""

    hint: str = ""

    def read(self, text: str | None) -> None:  # noqa: D102 - see Value
        if text is not None:
            raise ValueError("takes no value")


NOTHING = Nothing()
LONGEST_COUNT = 9
"""Digits of a count of events."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range, of some unit."""

    unit: str
    default: float
    low: float = 0
    high: float = 1e9
    whole: bool = False

    @property
    def hint(self) -> str:  # noqa: D102 - see Value
        return f"={self.unit} ({self.default:g})"

    def read(self, text: str | None) -> float:  # noqa: D102 - see Value
        try:
            value = self.default if text is None else (int if self.whole else float)(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            kind = "a whole number" if self.whole else "a number"
            raise ValueError(f"must be {kind} of {self.unit} from {self.low:g} to {self.high:g}, not {text!r}")
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words; the first is the default."""

    words: tuple[str, ...]

    @property
    def hint(self) -> str:  # noqa: D102 - see Value
        return f"={'|'.join(self.words)} ({self.words[0]})"

    def read(self, text: str | None) -> str:  # noqa: D102 - see Value
        word = self.words[0] if text is None else text
        if word not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}, not {text!r}")
        return word


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of some form."""

    form: str
    default: str
    regex: str

    @property
    def hint(self) -> str:  # noqa: D102 - see Value
        return f"={self.form} ({self.default})"

    def read(self, text: str | None) -> re.Match[str]:  # noqa: D102 - see Value
        match = re.fullmatch(self.regex, self.default if text is None else text)
        if match is None:
            raise ValueError(f"must be {self.form}, not {text!r}")
        return match


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an answer: a word, and how many events come whole before it."""

    where: str
    after: int

    def __str__(self) -> str:
        return f"{self.where}@{self.after}"


@dataclass(frozen=True, slots=True)
class Places:
    """A word and, behind an `@`, a count of events: `byte@3`."""

    words: tuple[str, ...]
    after: int = 2

    @property
    def hint(self) -> str:  # noqa: D102 - see Value
        return f"={'|'.join(self.words)}[@EVENTS] ({self.words[0]}@{self.after})"

    def read(self, text: str | None) -> Place:  # noqa: D102 - see Value
        word, _, count = (text or self.words[0]).partition("@")
        if count and not (count.isdecimal() and len(count) <= LONGEST_COUNT):
            raise ValueError(f"needs a count of events behind the @, at most {LONGEST_COUNT} digits, not {count!r}")
        return Place(OneOf(self.words).read(word), int(count) if count else self.after)


def written(value: Any) -> str:
    """Return a value that was read as the text that reads as it."""
    if isinstance(value, re.Match):
        return str(value[0])
    return str(value).removesuffix(".0")
