"""Prompts in the Llama 3.3 template, for raw completions."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage

from cf_llama.protocol.chat_template import render
from llama_index_cf_llama.messages import to_wire


def messages_to_prompt(messages: Sequence[ChatMessage]) -> str:
    """Render a conversation as a prompt for its next turn.

    Raises:
        InvalidRequestError: a message holds anything but text and calls.
    """
    return render(to_wire(messages))


def completion_to_prompt(prompt: str) -> str:
    """Render a user message as a prompt."""
    return render([{"role": "user", "content": prompt}])
