"""The rule engine: answers honestly from the request alone, at once and the same every time.

It is no model. It calls the tool that the last user turn names and fills arguments and schemas from the words of the
conversation, quotes tool results, finds the sentence of a context that shares most words with a question, and
otherwise repeats what was said.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from cf_llama_emulator.engines.base import Ask, Call, Piece, Text
from cf_llama_emulator.engines.conversation import Conversation, read_conversation
from cf_llama_emulator.engines.filling import fill
from cf_llama_emulator.engines.retrieval import best_sentence, read_question
from cf_llama_emulator.engines.schemas import requested_schema
from cf_llama_emulator.engines.tool_rules import choose_calls
from cf_llama_emulator.tokens import bounded, split
from cf_llama_emulator.wire import encode


class RuleEngine:
    """Rules in place of a model."""

    name = "rule"

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Yield the answer in pieces as a tokenizer would cut it."""
        async for piece in bounded(decide(ask), ask.max_tokens):
            yield piece


def decide(ask: Ask) -> Iterator[Text | Call]:
    """Return the pieces of the answer to `ask`."""
    talk = read_conversation(ask)
    calls = choose_calls(ask, talk)
    if calls:
        return iter(calls)
    return (Text(piece) for piece in split(_text(ask, talk)))


def _text(ask: Ask, talk: Conversation) -> str:
    schema = requested_schema(ask, talk)
    if schema is not None:
        return encode(fill(schema, talk.last_user)).decode()
    if talk.results:
        return "\n".join(f"The result of {name} is: {content}" for name, content in talk.results)
    question = read_question(talk)
    if question is not None:
        return best_sentence(*question)
    return f"You said: {talk.last_user}"
