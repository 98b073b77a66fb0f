"""The rule engine: answers honestly from the request alone, at once and the same every time.

It is no model. It calls the tool that the last user turn names and fills arguments and schemas from the words of the
conversation, quotes tool results, finds the sentence of a context that shares most words with a question, and
otherwise repeats what was said.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from cf_llama_emulator.engines.rules.conversation import Conversation, read_conversation
from cf_llama_emulator.engines.rules.fill_schema import fill
from cf_llama_emulator.engines.rules.react import react_step
from cf_llama_emulator.engines.rules.retrieval import best_sentence, read_question, standalone_question
from cf_llama_emulator.engines.rules.schemas import requested_schema
from cf_llama_emulator.engines.rules.tools import choose_calls
from cf_llama_emulator.wire.chunks import limit_tokens, split
from cf_llama_emulator.wire.engine_protocol import Call, EngineRequest, Piece, Text
from cf_llama_emulator.wire.errors import ServiceError


class RuleEngine:
    """Rules in place of a model."""

    name = "rule"

    async def answer(self, request: EngineRequest) -> AsyncGenerator[Piece]:
        """Yield the answer in pieces like a tokenizer's tokens."""
        for piece in limit_tokens(decide(request), request):
            yield piece


def decide(request: EngineRequest) -> Iterable[Text | Call]:
    """Return the pieces of the answer to `request`: calls, or a text."""
    talk = read_conversation(request)
    calls = choose_calls(request, talk)
    return calls or map(Text, split(_text(request, talk)))


def _text(request: EngineRequest, talk: Conversation) -> str:
    step = react_step(request, talk)
    if step is not None:
        return step
    requested = requested_schema(request, talk)
    if requested is not None:
        return _filled(*requested)
    if talk.results:
        return "\n".join(f"The result of {name} is: {content}" for name, content in talk.results)
    question = read_question(talk)
    if question is not None:
        return best_sentence(*question)
    return standalone_question(talk) or f"You said: {talk.last_user}"


def _filled(schema: Mapping[str, Any], words: str) -> str:
    try:
        return json.dumps(fill(schema, words), ensure_ascii=False)
    except ValueError as error:
        raise ServiceError(400, 5024, "JSON Mode couldn't be met") from error
