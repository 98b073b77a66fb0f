"""Tool calls in the text of a model instructed to write them as JSON: finding and judging them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # the package ships no type information
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped] # as above
from referencing import Registry
from referencing.exceptions import Unresolvable

from cf_llama_emulator.engines.local.prompts import calls_since_question
from cf_llama_emulator.wire.engine_protocol import Call, EngineRequest, Tool

WRAPPERS = ("<tool_call>", "```json", "```xml", "```")
"""What models put before a call; whatever ends them is ignored after it."""
CLOSING_TAG = "</tool_call>"
KEYS = ('"name"', '"arguments"', '"parameters"', '"type"', '"function"')
"""What the first key of a call may be."""

_OPENING = re.compile(r"\s*(?:[{<`\[]|$)")
_FIRST_CHARACTER = re.compile(r"\s*\S")
_BRACKETS = re.compile(r"[\s\[{]*(?=\{)|\s*\[\s*")
_OBJECT = re.compile(r'\{\s*"')
_AFTER_CALL = re.compile(rf"(?:\s|{CLOSING_TAG}|```(?!\w|$)|[\]}},;])*")
_DECODER = json.JSONDecoder(strict=False)  # small models leave line ends inside strings


@dataclass
class CallReader:
    """A push parser: prose is passed on at once, what may be a call is held back until that is decided.

    Whatever follows a call is a guess at its result, or the model losing itself: only further calls are taken from it.
    """

    calls: list[Call] = field(default_factory=list)
    finished: bool = False
    """Whether nothing that may still come can matter."""
    _held: str = ""

    def feed(self, text: str) -> str:
        """Take a piece of text and return the prose in it that is known to be prose."""
        self._held += text
        prose = ""
        while self._held and not self.calls:
            prose += self._pass_on(_OPENING)
            decided = self._decide() if may_be_call(self._held) else self._pass_on(_FIRST_CHARACTER, through=True)
            if decided is None:
                break
            prose += decided
        while self.calls and not self.finished:
            self._held = self._held[_AFTER_CALL.match(self._held).end() :]  # type: ignore[union-attr] # matches always
            self.finished = not (may_be_call(self._held) or CLOSING_TAG.startswith(self._held))
            if self.finished or self._decide() is None:
                break
        return prose

    def close(self) -> str:
        """Return what was held back and is no call after all."""
        return "" if self.calls else self._held

    @property
    def broken(self) -> bool:
        """Whether a call was begun that is no JSON, or not yet."""
        return not self.calls and may_be_call(self._held) and '"name"' in self._held

    def _pass_on(self, border: re.Pattern[str], *, through: bool = False) -> str:
        """Let go of what is held up to (or through) `border`."""
        match = border.search(self._held)
        end = len(self._held) if match is None else match.end() if through else match.start()
        passed, self._held = self._held[:end], self._held[end:]
        return passed

    def _decide(self) -> str | None:
        """Take the object that is held as a call, or let go of it as prose; None as long as it is not whole."""
        start = _OBJECT.search(self._held)
        if start is None:
            return None
        try:
            value, end = _DECODER.raw_decode(self._held, start.start())
        except (ValueError, RecursionError):
            return None
        whole, self._held = self._held[:end], self._held[end:]
        call = read_call(value)
        if call is None:
            return whole
        self.calls.append(call)
        return ""


def may_be_call(text: str) -> bool:
    """Whether `text` may be the beginning of a call."""
    rest = text.lstrip()
    for wrapper in WRAPPERS:
        if wrapper.startswith(rest):
            return True
        rest = rest.removeprefix(wrapper).lstrip()
    rest = _BRACKETS.sub("", rest, count=1)
    if not rest.startswith("{"):
        return not rest
    key = rest.removeprefix("{").lstrip()
    return any(known.startswith(key) or key.startswith(known) for known in KEYS)


def read_call(value: Any) -> Call | None:
    """Read a call from a JSON value: name and arguments, bare or as OpenAI nests them; None when it is no call."""
    if not isinstance(value, dict):
        return None
    inner = value.get("function")
    value = inner if isinstance(inner, dict) else value
    arguments = value.get("arguments", value.get("parameters"))
    if not isinstance(value.get("name"), str) or not isinstance(arguments, dict):
        return None
    return Call(value["name"], arguments)


def fits(call: Call, tools: Iterable[Tool]) -> bool:
    """Whether `call` names one of `tools` with arguments of its schema."""
    schema = next((tool.parameters for tool in tools if tool.name == call.name), None)
    if schema is None:
        return False
    try:
        Draft202012Validator.check_schema(schema)
        return bool(Draft202012Validator(schema, registry=Registry()).is_valid(call.arguments))
    except (SchemaError, Unresolvable, RecursionError):
        return True  # nothing to hold the arguments against


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about an answer. With nothing set: give another one, in words."""

    calls: Sequence[Call] = ()
    """Calls to be made."""
    again: Sequence[Tool] = ()
    """Tools one of which was meant: the call is to be written anew, bound to their schemas."""
    stands: bool = False
    """Whether the text is the answer."""


def judge(reader: CallReader, request: EngineRequest, *, cut: bool = False) -> Verdict:
    """Judge what a model wrote unprompted; `cut` says that it came to the end of its `max_tokens`.

    A call to no known tool is meant as words, and words are no answer where JSON is asked for.
    """
    if reader.broken and not cut:
        return Verdict(
            again=tuple(tool for tool in request.tools if f'"{tool.name}"' in reader.close()) or request.tools
        )
    if not reader.calls:
        return Verdict(stands=request.response_format is None)
    new = new_calls(reader.calls, request)
    fitting = tuple(call for call in new if fits(call, request.tools))
    named = tuple(tool for tool in request.tools if tool.name in {call.name for call in new})
    return Verdict(fitting) if fitting else Verdict(again=named)


def new_calls(calls: Iterable[Call], request: EngineRequest) -> Sequence[Call]:
    """Return the calls that bring the conversation on.

    A call that was made already since the user last spoke is not made again: its result is there. After a result, a
    call whose arguments come out of nothing is a guess and not made.
    """
    past = calls_since_question(request.messages)
    made = [(call.name, call.arguments) for call in past]
    conversation = " ".join([*(message["content"] for message in request.messages), *(call.result for call in past)])
    new: list[Call] = []
    for call in calls:
        known = (call.name, call.arguments) in made or call in new
        if not known and (not past or is_grounded(call, conversation)):
            new.append(call)
    return new


def schema_of_call(tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the schema of a call to one of `tools`."""
    if len(tools) == 1:
        return _schema_of(tools[0], "#")
    return {"anyOf": [_schema_of(tool, f"#/anyOf/{position}") for position, tool in enumerate(tools)]}


def is_grounded(call: Call, conversation: str) -> bool:
    """Whether the arguments have to do with the conversation: they share a word or a number with it, or are empty."""
    spoken = set(_words(conversation))
    words = [word for value in _leaves(call.arguments) for word in _words(str(value))]
    return not words or any(word in spoken for word in words)


def _schema_of(tool: Tool, place: str) -> dict[str, Any]:
    arguments = _moved({"type": "object", **tool.parameters}, f"{place}/properties/arguments")
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(schema: Any, place: str) -> Any:
    """Return `schema` with its references to itself following it to `place`."""
    match schema:
        case Mapping():
            moved = {key: _moved(value, place) for key, value in schema.items()}
            reference = moved.get("$ref")
            if isinstance(reference, str) and reference.startswith("#"):
                moved["$ref"] = place + reference.removeprefix("#")
            return moved
        case list() | tuple():
            return [_moved(value, place) for value in schema]
    return schema


def _leaves(value: Any) -> Iterator[Any]:
    match value:
        case Mapping():
            for inner in value.values():
                yield from _leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from _leaves(inner)
        case _:
            yield value


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
