"""Questions about a given context: find both in a conversation, and answer with a sentence of the context."""

from __future__ import annotations

import re

from cf_llama_emulator.engines.conversation import Conversation
from cf_llama_emulator.engines.words import stems

_QUESTION = re.compile(r"^\s*(?:query|question|user question)\s*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_FENCED = re.compile(r"^[-=]{5,}[ \t]*\n(.*?)\n[-=]{5,}[ \t]*$", re.MULTILINE | re.DOTALL)
_CONTEXT = re.compile(r"^.*\bcontext\b[^\n]*:[ \t]*\n?(.+)", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_REFINE = re.compile(r"original query is as follows: (.*?)\n.*?existing answer: (.*?)\n", re.IGNORECASE | re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def read_question(talk: Conversation) -> tuple[str, str] | None:
    """Return a question and its context, or None where the conversation gives no context."""
    refine = _REFINE.search(talk.last_user)
    if refine:
        return refine[1], f"{refine[2]}\n{_fenced(talk.last_user) or ''}"
    asked = _QUESTION.findall(talk.last_user)
    question = asked[-1].strip() if asked else talk.last_user
    for text in (talk.last_user, talk.system):
        context = _fenced(text) or _marked(text)
        if context and (asked or text is talk.system):
            return question, context
    return None


def best_sentence(question: str, context: str) -> str:
    """Return the sentence of `context` that shares most words with `question`; the first among equals."""
    wanted = stems(question)
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(context) if sentence.strip()]
    best = max(sentences, key=lambda sentence: len(wanted & stems(sentence)), default="")
    return best if wanted & stems(best) else "The context does not say."


def _fenced(text: str) -> str | None:
    match = _FENCED.search(text)
    return match[1] if match else None


def _marked(text: str) -> str | None:
    match = _CONTEXT.search(text)
    return _QUESTION.sub("", match[1]) if match else None
