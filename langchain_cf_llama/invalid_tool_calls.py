"""Invalid arguments of tool calls, in forms that pass through LangChain and back to the service.

LangChain completes half an object to a whole one whenever it adds up chunks of a stream, so that a call cut off at
the token limit would run with whatever had come. What it would mend is marked.
"""

from __future__ import annotations

from langchain_core.utils.json import parse_partial_json

from cf_llama.protocol import json_values
from cf_llama.protocol.tool_arguments import INVALID, object_of

MARK = "\ufeff"
"""A byte order mark: invisible, and LangChain never completes the JSON after it."""


def unrepairable(text: str) -> str:
    """The arguments as the model wrote them, marked if LangChain would complete them to a valid call."""
    try:
        mended = isinstance(parse_partial_json(text), dict)
    except (ValueError, RecursionError):
        mended = False
    return MARK + text if mended else text


def repeatable(text: str) -> str:
    """Arguments for the history, in which the service accepts only JSON (400 otherwise)."""
    text = text.removeprefix(MARK)
    arguments = object_of(text)
    return json_values.dumps(arguments) if INVALID in arguments else text
