"""The credentials in one exchange, so that they can be found in what is recorded."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from cf_llama_emulator.cassettes.scrub import Scrubber

_KEPT = re.compile(r"content-type|retry-after(?:-ms)?|cf-ai-.*|cf-aig-.*")
"""Headers of an answer that a client reads."""

_CREDENTIAL = re.compile(r"auth|token|secret|cookie|password|session|(?:^|-)key", re.IGNORECASE)
_HARMLESS = re.compile(r"accept(?:-.*)?|cache-control|connection|content-.*|host|te|transfer-encoding|x-stainless-.*")
"""Headers of a request that say nothing of who sends it, and whose values are words of any text."""

RAY, HEADER = "<scrubbed-ray>", "<scrubbed-header>"
_URL_SAFE = str.maketrans("+/", "-_")

SHORTEST_CREDENTIAL, SHORTEST_VALUE = 4, 8
"""Characters below which a value is not searched for, because any text has it."""


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of an answer that matter to a client, by lower-case name; a ray id is replaced."""
    kept = {name.lower(): value for name, value in headers if _KEPT.fullmatch(name.lower())}
    return kept | {name.lower(): RAY for name, _ in headers if name.lower() == "cf-ray"}


def of_request(account: str | None, headers: Iterable[tuple[str, str]]) -> Scrubber:
    """Return a finder of the account id and of all header values of a request.

    Left out are headers of content negotiation, credentials of fewer than 4 characters and other values of fewer
    than 8.
    """
    found: dict[str, str] = {}
    if account is not None and len(account) >= SHORTEST_CREDENTIAL:
        found[account] = "<scrubbed-account>"
    for name, value in headers:
        if _CREDENTIAL.search(name):
            found |= dict.fromkeys(_credentials(value), "<scrubbed-token>")
        elif not _HARMLESS.fullmatch(name.lower()) and len(value) >= SHORTEST_VALUE:
            found[value] = HEADER
    return _finding(found)


def of_answer(headers: Iterable[tuple[str, str]]) -> Scrubber:
    """Return a finder of an answer's ray id and cookies."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.lower() == "cf-ray":
            found |= dict.fromkeys(_long_enough([value, value.partition("-")[0]]), RAY)
        elif name.lower() == "set-cookie":
            found |= dict.fromkeys(_credentials(value.partition(";")[0]), "<scrubbed-token>")
    return _finding(found)


def _credentials(value: str) -> list[str]:
    """Return a credential and the parts that are secret by themselves: of `Bearer x`, and of cookies `a=x; b=y`."""
    parts = [value, *re.split(r"[\s;]+", value)[1:], *re.findall(r"=([^;]*)", value)]
    return _long_enough([part.strip() for part in parts])


def _long_enough(values: Iterable[str]) -> list[str]:
    return [value for value in values if len(value) >= SHORTEST_CREDENTIAL]


@dataclass(frozen=True)
class Spellings:
    """Finds a text in any of its spellings, as a regular expression does, but soon sees where there is none."""

    texts: tuple[str, ...]
    """The spellings, in lower case; the longest first, which the others may begin."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.texts)), re.IGNORECASE)

    @cached_property
    def _shortest(self) -> int:
        return min(map(len, self.texts))

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Yield each match."""
        if len(text) < self._shortest:  # as most increments of a stream
            return iter(())
        lowered = text.lower()
        return self._pattern.finditer(text) if any(each in lowered for each in self.texts) else iter(())


def _finding(found: Mapping[str, str]) -> Scrubber:
    """Return patterns for texts in every spelling, the longest first."""
    longest_first = sorted(found.items(), key=lambda each: len(each[0]), reverse=True)
    return Scrubber(
        tuple(
            (Spellings(_ordered(spellings(value, is_encoded=placeholder != HEADER))), placeholder)
            for value, placeholder in longest_first
        )
    )


def _ordered(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({each.lower() for each in texts}, key=lambda each: (-len(each), each)))


def spellings(value: str, *, is_encoded: bool = True) -> Iterator[str]:
    """Yield a text as it is, within JSON, a URL and HTML; if `is_encoded`, in base64 and hexadecimal digits too."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield html.escape(value)
    if is_encoded and len(value) >= SHORTEST_VALUE:
        content = value.encode("utf-8", "surrogateescape")
        yield content.hex()
        yield from _base64(content)


def _base64(content: bytes) -> Iterator[str]:
    """Yield what some bytes are within the base64 of a longer text, in both alphabets.

    That depends on how many bytes are before them. Left out are the characters that neighbours have a part in.
    """
    for before, shared in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(content)) * 8 // 6
        encoded = base64.b64encode(bytes(before) + content).decode("ascii")[shared:whole]
        yield encoded
        yield encoded.translate(_URL_SAFE)
