"""Arguments of a tool call: from the text that the model wrote to the object that the tool's schema asks for.

The model writes "4" where the schema says integer and "null" where it says optional. Such values are brought to the
declared type (see `coercion`); text that is no JSON object is reported as it is and never mended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cf_llama.protocol import json_values
from cf_llama.protocol.coercion import read
from cf_llama.protocol.reply import ToolCall
from cf_llama.protocol.stop_sequences import join_surrogates

_EMPTY_ARGUMENTS = {"", "null", "None"}
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
"""Of a character in two halves, one of which may be missing: such text cannot be encoded."""


def tool_call(call_id: str, name: str, text: str, parameters: Mapping[str, Any] | None) -> ToolCall:
    """The call that `text` asks for.

    Args:
        call_id: Its id.
        name: The tool's name.
        text: The arguments as the model wrote them; nothing and `null` mean none.
        parameters: The tool's schema as it was declared; None where the tool was not offered.
    """
    text = join_surrogates(text)
    if text.strip() in _EMPTY_ARGUMENTS:
        text = "{}"
    try:
        if _HALF_ESCAPED.search(text):
            text = join_surrogates(json_values.dumps_exactly(json_values.parse_exactly(text)))
        value, read_text = read(text, parameters)
    except json_values.InvalidJSON as error:
        return ToolCall(call_id, name, text=text, error=f"the arguments are not valid JSON: {error}")
    if not isinstance(value, dict):
        return ToolCall(call_id, name, text=text, error="the arguments are no JSON object")
    return ToolCall(call_id, name, value, read_text)


INVALID = "invalid_json"
"""The name under which text stands that was meant to be arguments."""


def object_of(text: str) -> dict[str, Any]:
    """Arguments of a call in the history, as an object.

    The service refuses a history whose arguments are no JSON, and a call must not run with fewer arguments than were
    written. So text that is no object becomes the one argument `INVALID`, which no tool takes.
    """
    call = tool_call("", "", text, None)
    return {INVALID: text, "error": call.error} if call.error else dict(call.arguments)
