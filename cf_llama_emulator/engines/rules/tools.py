"""Which tools to call, and with what."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cf_llama_emulator.engines.rules.conversation import Conversation
from cf_llama_emulator.engines.rules.fill_schema import fill
from cf_llama_emulator.engines.rules.stemming import stems
from cf_llama_emulator.wire.engine_protocol import Call, EngineRequest, Tool
from cf_llama_emulator.wire.errors import invalid_input

_TELLING_DESCRIPTION = 2
"""Words that a turn and a tool's description must share for an unforced call."""


def choose_calls(request: EngineRequest, talk: Conversation) -> Sequence[Call]:
    """Return the calls that answer `request`, or none where text does.

    A named tool is always called. Where a call is required it is the tool that fits best, one not called yet before
    others. Otherwise tools written out in the last user turn are called, all of them, else the one that the turn
    speaks of; and none again once it has been called since.
    """
    if not request.tools or request.tool_choice == "none":
        return ()
    if request.tool_choice not in (None, "required"):
        return [_call(tool, talk) for tool in request.tools if tool.name == request.tool_choice]
    fresh = [tool for tool in request.tools if tool.name not in talk.called]
    written = [tool for tool in fresh if _mention(tool, talk.last_user)]
    if written:
        return [_call(tool, talk) for tool in sorted(written, key=lambda tool: _position(tool, talk.last_user))]
    candidates = fresh if request.tool_choice is None else fresh or request.tools
    best = max(candidates, key=lambda tool: _fit(tool, talk.last_user), default=None)
    if best is None or (request.tool_choice is None and (talk.called or not _speaks_of(best, talk.last_user))):
        return ()
    return [_call(best, talk)]


def _mention(tool: Tool, text: str) -> re.Match[str] | None:
    """Find a tool's name written out: as code where it is a compound or is followed by arguments."""
    compound = "_" in tool.name or "-" in tool.name or not tool.name.islower()
    after = r"(?!\w)" if compound else r"(?=\()"
    return re.search(rf"(?<!\w){re.escape(tool.name)}{after}", text)


def _position(tool: Tool, text: str) -> int:
    mention = _mention(tool, text)
    return mention.start() if mention else len(text)


def _speaks_of(tool: Tool, text: str) -> bool:
    names, described = _fit(tool, text)
    return names > 0 or described >= _TELLING_DESCRIPTION


def _fit(tool: Tool, text: str) -> tuple[int, int]:
    words = stems(text)
    return len(stems(tool.name) & words), len(stems(tool.description) & words)


def _call(tool: Tool, talk: Conversation) -> Call:
    written = _written_arguments(tool, talk.last_user)
    if written is not None:
        return Call(tool.name, written)
    try:
        filled = fill({"type": "object", **tool.parameters}, talk.last_user)
    except ValueError as error:
        raise invalid_input(f"the parameters of {tool.name}: {error}") from error
    return Call(tool.name, filled if isinstance(filled, dict) else {})


def _written_arguments(tool: Tool, text: str) -> Mapping[str, Any] | None:
    """Return the arguments of a call written out in the text, as `name(3)` or `name(input=3)`."""
    match = re.search(rf"(?<!\w){re.escape(tool.name)}(\([^()]*\))", text)
    if match is None:
        return None
    try:
        call = ast.parse(f"f{match[1]}", mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        json.dumps([positional, named], allow_nan=False)  # not all that Python can write is JSON
    except (TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return dict(zip(tool.parameters.get("properties", {}), positional, strict=False)) | named
