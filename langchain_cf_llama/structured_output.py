"""Structured output: requested in one of three ways, validated, and requested again if it does not fit.

The result of a chain is the object or an error, never a silent None. Nothing is mended: JSON that was cut off stays an
error, as what is missing cannot be known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, get_args

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from cf_llama.protocol import json_values
from cf_llama.protocol.coercion import read
from cf_llama.protocol.json_schema import tool_name
from langchain_cf_llama.errors import ToolChoiceError
from langchain_cf_llama.messages import messages_of
from langchain_cf_llama.prepare import Method, schema_of
from langchain_cf_llama.responses import to_message

_Asked = Runnable[LanguageModelInput, AIMessage]


class Model(Protocol):
    """The chat model, direct or queued."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> _Asked:
        """Bind tools."""
        ...

    def bind(self, **kwargs: Any) -> _Asked:
        """Bind options."""
        ...


_JSON_INSTRUCTION = "Answer with a JSON object and nothing else. It must fit this JSON schema: {schema}"
_CORRECTION = "This does not fit what was asked for: {problem}. Answer once more, so that it fits."


def structure(
    llm: Model,
    schema: Mapping[str, Any] | type | None,
    method: Method,
    *,
    include_raw: bool = False,
    output_retries: int | None = 1,
    **unknown: Any,
) -> StructuredOutput:
    """Configure structured output; for the parameters see `ChatCloudflareLlama.with_structured_output`.

    Raises:
        ValueError: the method is unknown, the schema is missing, `output_retries` is below 0, or there are other
            arguments.
    """
    if unknown.pop("tools", None):
        raise ValueError(
            "with_structured_output takes no tools: write create_agent(llm, tools, response_format=schema)"
        )
    if unknown:
        raise ValueError(f"with_structured_output does not know {', '.join(unknown)}")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
    if schema is None and method != "json_mode":
        raise ValueError(f"schema must be given with method={method!r}")
    retries = 1 if output_retries is None else output_retries
    if retries < 0:
        raise ValueError(f"output_retries must be 0 or more, not {retries}")
    json_schema = _titled_schema(schema)
    model, find = _bind_method(llm, json_schema, method)
    return StructuredOutput(
        model, find, _validator(schema, json_schema), _instructions(json_schema, method), include_raw, retries
    )


def _bind_method(
    llm: Model, json_schema: dict[str, Any] | None, method: Method
) -> tuple[_Asked, Callable[[AIMessage], Any]]:
    """Bind the method to the model; return it with the function that finds the value in an answer."""
    traced = {"ls_structured_output_format": {"kwargs": {"method": method}, "schema": json_schema}}
    if method == "function_calling" and json_schema is not None:
        name = json_schema["title"]
        parameters = {key: json_schema[key] for key in json_schema if key not in {"title", "description"}}
        tool = {"name": name, "description": json_schema.get("description", ""), "parameters": parameters}
        return llm.bind_tools([tool], tool_choice=name, parallel_tool_calls=False, **traced), partial(_arguments, name)
    response_format = (
        {"type": "json_schema", "json_schema": json_schema} if method == "json_schema" else {"type": "json_object"}
    )
    return llm.bind(response_format=response_format, **traced), partial(_json, json_schema)


def _instructions(json_schema: dict[str, Any] | None, method: Method) -> list[BaseMessage]:
    """The schema in words, for methods where the service does not enforce it."""
    if json_schema is None or method != "json_mode":
        return []
    return [SystemMessage(_JSON_INSTRUCTION.format(schema=json.dumps(json_schema, ensure_ascii=False)))]


@dataclass(frozen=True)
class Answer:
    """An answer of the model: its object, or what is wrong with it."""

    raw: AIMessage
    parsed: Any = None
    error: Exception | None = None

    def with_earlier_usage(self, earlier: Answer) -> Answer:
        """This answer, with the usage of an earlier one added."""
        usage = add_usage(earlier.raw.usage_metadata, self.raw.usage_metadata)
        return replace(self, raw=self.raw.model_copy(update={"usage_metadata": usage}))


@dataclass(frozen=True)
class StructuredOutput:
    """Requests objects from a model and reads them from its answers."""

    model: _Asked
    find: Callable[[AIMessage], Any]
    validate: Callable[[Any], Any]
    instructions: Sequence[BaseMessage]
    include_raw: bool
    output_retries: int

    def invoke(self, model_input: LanguageModelInput, config: RunnableConfig, **options: Any) -> Any:
        """Request an object, and again if the answer does not fit."""
        messages = [*self.instructions, *messages_of(model_input)]
        try:
            answer = self.read(self.model.invoke(messages, config, **options))
            for _ in range(self.output_retries if answer.error else 0):
                again = self.model.invoke([*messages, *correction_messages(answer)], config, **options)
                answer = self.read(again).with_earlier_usage(answer)
                if not answer.error:
                    break
        except ToolChoiceError as error:
            answer = missing_call(error)
        return self.result(answer)

    async def ainvoke(self, model_input: LanguageModelInput, config: RunnableConfig, **options: Any) -> Any:
        """Request an object, and again if the answer does not fit."""
        messages = [*self.instructions, *messages_of(model_input)]
        try:
            answer = self.read(await self.model.ainvoke(messages, config, **options))
            for _ in range(self.output_retries if answer.error else 0):
                again = await self.model.ainvoke([*messages, *correction_messages(answer)], config, **options)
                answer = self.read(again).with_earlier_usage(answer)
                if not answer.error:
                    break
        except ToolChoiceError as error:
            answer = missing_call(error)
        return self.result(answer)

    def read(self, raw: AIMessage) -> Answer:
        """Read the object from a message."""
        try:
            return Answer(raw, self.validate(self.find(raw)))
        except (ValueError, TypeError, RecursionError) as error:
            return Answer(raw, error=OutputParserException(error, llm_output=str(raw.text)))

    def result(self, answer: Answer) -> Any:
        """The result for the caller.

        Raises:
            Exception: the answer does not fit.
        """
        if self.include_raw:
            return {"raw": answer.raw, "parsed": answer.parsed, "parsing_error": answer.error}
        if answer.error:
            raise answer.error
        return answer.parsed


class StructuredRunnable(Runnable[LanguageModelInput, Any]):
    """A runnable that returns an object for each input, and sends each request separately."""

    name = "structured_output"

    def __init__(self, structure: StructuredOutput) -> None:
        self._structure = structure

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        return self._call_with_config(self._structure.invoke, input, config, **kwargs)  # type: ignore[arg-type] # may take a config alone

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        return await self._acall_with_config(self._structure.ainvoke, input, config, **kwargs)  # type: ignore[arg-type] # as above


def correction_messages(answer: Answer) -> list[BaseMessage]:
    """The invalid answer and what is wrong with it, as the result of its tool calls if there are any."""
    problem = answer.error.message if isinstance(answer.error, ToolChoiceError) else answer.error  # ids are not for it
    text = _CORRECTION.format(problem=problem)
    calls = [*answer.raw.tool_calls, *answer.raw.invalid_tool_calls]
    results: list[BaseMessage] = [
        ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error") for call in calls if call["id"]
    ]
    return [answer.raw, *(results or [HumanMessage(text)])]


def missing_call(error: ToolChoiceError) -> Answer:
    """An answer without the forced call."""
    return Answer(to_message(error.partial) if error.partial else AIMessage(""), error=error)


def _arguments(name: str, message: AIMessage) -> Any:
    for call in message.tool_calls:
        if call["name"] == name:
            return call["args"]
    for broken in message.invalid_tool_calls:
        raise ValueError(f"the arguments of {broken['name']} are not a JSON object: {broken['args']}")
    raise ValueError(f"{name} was not called")


def _json(json_schema: Mapping[str, Any] | None, message: AIMessage) -> Any:
    try:
        return read(json_values.without_fence(str(message.text)), json_schema)[0]
    except json_values.InvalidJSON as error:
        cut = message.response_metadata.get("finish_reason") == "length"
        raise ValueError(f"the answer is not JSON{', it was cut off at max_tokens' if cut else ''}: {error}") from None


def _validator(schema: Mapping[str, Any] | type | None, json_schema: Mapping[str, Any] | None) -> Callable[[Any], Any]:
    """The function that validates JSON: pydantic's, or a check for an object."""
    of_class: Callable[[Any], Any] | None = getattr(schema, "model_validate", None) or getattr(
        schema, "parse_obj", None
    )
    return of_class or (_object if json_schema is not None else lambda value: value)


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, not {type(value).__name__}")  # noqa: TRY004 - as pydantic's are
    return value


def _titled_schema(schema: Mapping[str, Any] | type | None) -> dict[str, Any] | None:
    """The JSON schema, with a title that can name a tool."""
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        schema = dict(schema) if schema.keys() & {"title", "name", "function"} else {"title": "answer", **schema}
    json_schema = convert_to_json_schema(schema)
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        own = schema_of(schema)
        if own.keys() & {"$defs", "definitions"}:  # LangChain's form lacks what a type holds that holds itself
            json_schema = own
    return json_schema | {"title": tool_name(json_schema["title"])}
