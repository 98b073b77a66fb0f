"""A validated request to the model, and its body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cf_llama.protocol import json_schema
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.model import DEFAULT_MAX_TOKENS, MODEL

ROLES = ("system", "user", "assistant", "tool")
_SAMPLING = ("temperature", "top_p", "top_k", "seed", "repetition_penalty", "frequency_penalty", "presence_penalty")
_OBJECT = (dict, Mapping)  # in this order: to ask an abstract class takes longer
_INSTRUCTION = "Answer with a call of {names} and with nothing else."

RESERVED_FIELDS = frozenset(
    {"messages", "prompt", "raw", "model", "tools", "tool_choice", "functions", "response_format", "max_tokens", "lora"}
    | {"stop", "stream", "options", *_SAMPLING}
)
"""Body fields that `ChatRequest` sets itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """Exactly one of `messages` and `prompt`, and how to answer it.

    Ranges of the sampling parameters are those of the model's page; None leaves a parameter to the service.

    Args:
        messages: Objects with `role` (system, user, assistant, tool) and `content`, a string, never null. Assistant
            turns may carry `tool_calls` in OpenAI's form with arguments as JSON text, tool turns a `tool_call_id`.
        prompt: Plain text for a completion. The service wraps it in its own template unless `raw` is set.
        raw: Send `prompt` as it is; it must then hold the whole Llama 3.3 template.
        tools: Definitions in either form of the model's page; they are normalised.
        tool_choice: None or "auto"; "none"; "required" or "any"; True (the only tool there is); a tool's name; or
            OpenAI's `{"type": "function", "function": {"name": ...}}`.
        parallel_tool_calls: False keeps only the first call of an answer.
        functions: Passed through as they are (the page's embedded function calling).
        response_format: JSON mode, see `json_schema.response_format`.
        stop: Texts at which the answer is cut.
        extra_body: Fields of the body that have no name here; they are added as they are.

    Raises:
        InvalidRequestError: a field is missing or not allowed; the message names it.
    """

    messages: Sequence[Mapping[str, Any]] | None = None
    prompt: str | None = None
    raw: bool | None = None
    model: str = MODEL
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | bool | Mapping[str, Any] | None = None
    parallel_tool_calls: bool = True
    functions: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    lora: str | None = None
    stop: tuple[str, ...] = ()
    reject_if_busy: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.prompt is None):
            raise InvalidRequestError("give either messages or prompt")
        for name in ("messages", "tools", "functions"):
            _check_objects(name, getattr(self, name))
        if self.prompt == "":
            raise InvalidRequestError("prompt must not be empty")
        if self.messages is not None:
            _check_messages(self.messages)
        elif self.tools or self.functions:
            raise InvalidRequestError("tools and functions go with messages, not with prompt")
        # normalised once, here, so that every reader of the request finds one form
        object.__setattr__(self, "tools", _unique_definitions(self.tools))
        if self.tool_choice is not None:
            object.__setattr__(self, "tool_choice", _normalized_choice(self.tool_choice, self.tool_names))
        if owned := sorted(RESERVED_FIELDS & self.extra_body.keys()):
            raise InvalidRequestError(f"extra_body must not hold {', '.join(owned)}: give it by its own name")
        if self.response_format is not None:
            object.__setattr__(self, "response_format", json_schema.response_format(self.response_format))

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Names of the offered tools."""
        return tuple(tool["function"]["name"] for tool in self.tools)

    @property
    def forced_tools(self) -> tuple[str, ...]:
        """Names of which at least one must be called; empty if no call is forced."""
        if self.tool_choice == "required":
            return self.tool_names
        if isinstance(self.tool_choice, Mapping):
            return (self.tool_choice["function"]["name"],)
        return ()

    @property
    def can_stream(self) -> bool:
        """JSON mode does not stream (Cloudflare docs: JSON mode; code 5023)."""
        return self.response_format is None

    def body(self, *, stream: bool) -> dict[str, Any]:
        """The JSON body. Unset keys are omitted, because the service rejects null."""
        body: dict[str, Any] = (
            {"messages": [dict(message) for message in self.messages]}
            if self.messages is not None
            else {"prompt": self.prompt}
        )
        if self.tools and self.tool_choice != "none":
            body["tools"] = list(self.tools)
            if self.tool_choice is not None:
                body["tool_choice"] = self.tool_choice
        optional = {
            "functions": list(self.functions) or None,
            "response_format": self.response_format,
            "lora": self.lora,
            "raw": self.raw,
            "max_tokens": self.max_tokens,
            **{name: getattr(self, name) for name in _SAMPLING},
            "options": {"rejectIfBusy": True} if self.reject_if_busy else None,
            "stream": stream or None,
        }
        return body | {name: value for name, value in optional.items() if value is not None} | dict(self.extra_body)

    def with_instruction(self) -> ChatRequest:
        """The request with an instruction to make the forced call that a first answer lacked."""
        names = " or ".join(self.forced_tools)
        instruction = {"role": "user", "content": _INSTRUCTION.format(names=names)}
        return replace(self, messages=(*(self.messages or ()), instruction))


def _unique_definitions(tools: Sequence[Mapping[str, Any]]) -> tuple[json_schema.ToolDefinition, ...]:
    """Unique tool definitions. A call identifies its tool by name, so names must be unique."""
    definitions: dict[str, json_schema.ToolDefinition] = {}
    for tool in tools:
        definition = json_schema.tool_definition(tool)
        name = definition["function"]["name"]
        if definitions.setdefault(name, definition) != definition:
            raise InvalidRequestError(f"tools: two different ones are named {name!r}; give one of them another name")
    return tuple(definitions.values())


def _check_objects(name: str, value: object) -> None:
    if value is None and name == "messages":
        return
    if not isinstance(value, Sequence) or not all(isinstance(item, _OBJECT) for item in value):
        raise InvalidRequestError(f"{name} must be a list of objects")


def _check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    if not messages:
        raise InvalidRequestError("messages must not be empty")
    for number, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise InvalidRequestError(f"messages[{number}].role must be one of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise InvalidRequestError(f"messages[{number}].content must be a string; it may be empty, never null")


def _normalized_choice(choice: str | bool | Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The choice in one of four forms: None, "auto"/"none"/"required", or OpenAI's object with a known name."""
    if choice is False or not names:
        if choice not in (False, "auto", "none"):
            raise InvalidRequestError(f"tool_choice is {choice!r}, but no tools are offered")
        return None
    if choice in ("auto", "none"):
        return choice
    if choice is True and len(names) != 1:
        raise InvalidRequestError(f"tool_choice=True needs exactly one tool; offered are {', '.join(names)}")
    if choice in ("required", "any", True):
        # Of the two ways to force a call only the named one is enforced by the service.
        return _named_choice(names[0]) if len(names) == 1 else "required"
    name: Any = choice
    if isinstance(choice, Mapping):
        if choice.get("type") in ("auto", "none", "any", "required"):
            return _normalized_choice(choice["type"], names)
        function = choice.get("function", choice)
        name = function.get("name") if isinstance(function, Mapping) else None
    if name not in names:
        raise InvalidRequestError(
            f"tool_choice names {name!r}; allowed are auto, none, any, required, True and {', '.join(names)}"
        )
    return _named_choice(str(name))


def _named_choice(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}
