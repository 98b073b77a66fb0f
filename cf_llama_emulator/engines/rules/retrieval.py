"""Questions about a given context: find both in a conversation, and answer with a sentence of the context.

The forms known here are those of the prompts that LangChain and LlamaIndex bring along.
"""

from __future__ import annotations

import re

from cf_llama_emulator.engines.rules.conversation import Conversation
from cf_llama_emulator.engines.rules.stemming import stems

NOT_FOUND = "The context does not say."

_LABELLED = re.compile(
    r"^[ \t]*(?:the )?(?:original |user )?(?:query|question)(?: is as follows)?: *(\S.*)$", re.IGNORECASE | re.MULTILINE
)
_EXISTING = re.compile(r"\b(?:existing|original) answer: *(\S.*)$", re.IGNORECASE | re.MULTILINE)
_CONTEXT = re.compile(r"\bcontext\b", re.IGNORECASE)
_CONTEXT_LABEL = re.compile(r"\bcontext\b[^\n:]{0,80}:", re.IGNORECASE)
_FENCED = re.compile(r"^[-=]{5,}[ \t]*\n(.*?)\n[-=]{5,}[ \t]*$", re.MULTILINE | re.DOTALL)
_FOLLOW_UP = re.compile(r"follow[ -]up (?:input|question|message)[>:]\s*(\S.*)\s+<?standalone question", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def read_question(talk: Conversation) -> tuple[str, str] | None:
    """Return a question and its context, or None where the conversation gives no context.

    A refine prompt's existing answer counts as the first sentence of the context.
    """
    labelled = _LABELLED.findall(talk.last_user)
    question = labelled[-1].strip() if labelled else talk.last_user
    context = (_context(talk.last_user) if labelled else None) or _context(talk.system)
    existing = _EXISTING.search(talk.last_user)
    if existing and labelled:
        context = f"{existing[1]}\n{context or ''}"
    return None if context is None else (question, context)


def best_sentence(question: str, context: str) -> str:
    """Return the sentence of `context` that shares most words with `question`; the first among equals."""
    words = stems(question)
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(context) if sentence.strip()]
    best = max(sentences, key=lambda sentence: len(words & stems(sentence)), default="")
    return best if words & stems(best) else NOT_FOUND


def standalone_question(talk: Conversation) -> str | None:
    """Return the follow-up question of a prompt that asks for it to be made a standalone one: as it is."""
    follow_up = _FOLLOW_UP.search(talk.last_user)
    return follow_up[1].strip() if follow_up else None


def _context(text: str) -> str | None:
    """Return what stands between two rules, or after the first "context", without the labelled question."""
    fenced = _FENCED.search(text)
    if fenced:
        return fenced[1]
    mark = _CONTEXT_LABEL.search(text) or _CONTEXT.search(text)
    if mark is None:
        return None
    return _EXISTING.sub("", _LABELLED.sub("", text[mark.end() :]))
