"""What the service means to answer: a function of the question's key and kind, and of nothing else."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.wire.chunks import split
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Piece, Text
from cf_llama_emulator.wire.tokens import estimate, estimate_call
from cf_llama_emulator.wire.writers import encode

KINDS = {"text": 10, "call": 4, "parallel": 3, "json": 2, "forced": 2, "empty": 1}
"""How often each kind of question is asked, relative to the others."""

QUESTION = re.compile(r"key=(\d+) kind=(\w+)")
WORDS = (
    "zwölf",
    "boxing",
    "naïve",
    "日本語",
    "🙂",
    "1042",
    "3.14",
    "(x)",
    "\n",
    '"so"',
    "0",
    "007",
    "it's",
    "[{",
    "a=b",
    "—",
)
"""None is JSON by itself but for digits: the service would take its white space away for good."""

PARAMETERS = {
    "type": "object",
    "properties": {
        "key": {"type": "integer", "description": "a number"},
        "words": {"type": "array", "items": {"type": "string"}, "description": "words"},
        "deep": {"type": "object", "description": "an object"},
    },
    "required": ["key"],
}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": PARAMETERS}}
    for name in ("look_up", "write_down")
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """An answer: a text, or calls as (name, arguments)."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


def question(key: int, kind: str) -> str:
    """Return what a client asks."""
    return f"key={key} kind={kind}"


def meaning(key: int, kind: str, *, again: bool = False) -> Meaning:
    """Return what is to be answered; half of the forced calls are made only when they are asked for once more."""
    chance = random.Random(f"{key} {kind}")
    if kind == "forced" and key % 2 and not again:
        return Meaning(f"k{key}: I would rather talk.")
    words = [chance.choice(WORDS) for _ in range(chance.randint(1, 40))]
    match kind:
        case "empty":
            return Meaning()
        case "json":
            return Meaning(encode({"key": key, "words": words}).decode())
        case "call" | "forced":
            return Meaning(calls=(_call(key, words, chance),))
        case "parallel":
            return Meaning(calls=tuple(_call(key, words, chance) for _ in range(chance.randint(2, 3))))
        case _:
            return Meaning(f"k{key} " + " ".join(words))


def _call(key: int, words: list[str], chance: random.Random) -> tuple[str, dict[str, Any]]:
    deep = chance.choice([{}, {"one": {"two": [chance.randint(-9, 9), None, True]}}])
    return chance.choice(["look_up", "write_down"]), {"key": key, "words": words[:6], "deep": deep}


def tokens(meant: Meaning) -> int:
    """Return how many tokens the service counts for an answer."""
    said = sum(map(estimate, split(meant.text)))
    return said + sum(estimate_call(Call(name, arguments)) for name, arguments in meant.calls)


class KeyedEngine:
    """Answers each question with its meaning."""

    name = "keyed"

    def answer(self, request: EngineRequest) -> AsyncIterator[Piece]:
        """Yield the pieces of the meaning."""
        key, kind = QUESTION.search(request.messages[0]["content"]).groups()  # type: ignore[union-attr] # nothing else is asked
        meant = meaning(int(key), kind, again=len(request.messages) > 1)
        calls = [Call(name, arguments) for name, arguments in meant.calls]
        return ScriptEngine([[*calls, End("tool_calls")] if calls else _said(meant.text)]).answer(request)


def _said(text: str) -> str | list[Text | End]:
    return text or [End()]
