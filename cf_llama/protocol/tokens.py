"""Counts the tokens of a text or a request: exact with the `tokens` extra, an estimate without it.

The extra brings Meta's own tokenizer file inside the package `llama-models`; it is read as data, checked against its
SHA-256, and never imported. The service's own figure before it runs a request is an estimate too (code 5021), so leave
a margin to the context window.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_TOKENIZER_SHA256 = "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55"
_PATTERN = (  # how Llama 3 splits text before it merges bytes
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_LONGEST_RUN = 20_000  # characters; the library's regular expressions give up on far longer runs of spaces

_PER_MESSAGE = 4  # the role's header is three tokens, the end of the turn one
_PER_REQUEST = 5  # the beginning of the text, and the header that asks for the answer
_UNEXPLAINED = 2  # what recorded prompts of this model have over this arithmetic
_PER_TOOLS = 60  # the words with which the template introduces tools

_WORDS = re.compile(r"[^\W\d_]+|\d+|[^\w\s]+|_+|\s+")


def is_exact() -> bool:
    """Whether counts are those of the model's own tokenizer; otherwise they are estimates."""
    return _encoding() is not None


def encode(text: str) -> list[int]:
    """Token ids of a text, special tokens taken as plain text.

    Raises:
        ImportError: the `tokens` extra is not installed.
    """
    encoding = _encoding()
    if encoding is None:
        raise ImportError("token ids need the model's tokenizer: pip install 'cf-llama[tokens]'")
    return [token for piece in _pieces(text) for token in encoding.encode_ordinary(piece)]


def count_text(text: str) -> int:
    """Tokens of a plain text."""
    encoding = _encoding()
    if encoding is None:
        return _estimate(text)
    return sum(len(encoding.encode_ordinary(piece)) for piece in _pieces(text))


def count_messages(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Prompt tokens of a request: its wire messages, tool calls and tool definitions.

    Args:
        messages: As in `ChatRequest.messages`.
        tools: As in `ChatRequest.tools`; they are counted as the template writes them.
    """
    turns = sum(_PER_MESSAGE + count_text("\n\n" + _written(message)) for message in messages)
    definitions = "".join(json.dumps(tool, indent=4, ensure_ascii=False) + "\n\n" for tool in tools)
    return _PER_REQUEST + _UNEXPLAINED + turns + (_PER_TOOLS + count_text(definitions) if tools else 0)


def _written(message: Mapping[str, Any]) -> str:
    calls = [call.get("function", {}) for call in message.get("tool_calls") or ()]
    as_text = [f'{{"name": "{call.get("name")}", "parameters": {call.get("arguments")}}}' for call in calls]
    return "\n".join([message.get("content") or "", *as_text]) if calls else message.get("content") or ""


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + _LONGEST_RUN] for start in range(0, len(text), _LONGEST_RUN))


def _estimate(text: str) -> int:
    """By kind of run: short words are one token, long ones several, digits go in threes, other scripts by the byte."""
    return sum(_estimated_run(run) for run in _WORDS.findall(text))


def _estimated_run(run: str) -> int:
    if run.isspace():
        return 0 if run == " " else 1
    if run.isdigit():
        return -(-len(run) // 3)
    if not run.isascii():
        return -(-len(run.encode("utf-8", "replace")) // 4)
    return -(-len(run) // 8) if run.isalpha() else -(-len(run) // 3)


@cache
def _encoding() -> Any:
    try:
        import tiktoken  # noqa: PLC0415 - optional, and slow to import

        files = metadata.distribution("llama-models").files or ()
    except (ImportError, metadata.PackageNotFoundError):
        return None
    for file in files:
        if file.name != "tokenizer.model":
            continue
        data = Path(str(file.locate())).read_bytes()
        if hashlib.sha256(data).hexdigest() == _TOKENIZER_SHA256:
            ranks = (line.split() for line in data.splitlines() if line)
            mergeable = {base64.b64decode(token): int(rank) for token, rank in ranks}
            return tiktoken.Encoding("llama3", pat_str=_PATTERN, mergeable_ranks=mergeable, special_tokens={})
    return None
