"""Structured output: requested in one of three ways, validated, and requested again if it does not fit.

The result of a chain is the object or an error, never a silent None. Nothing is mended: JSON that was cut off stays an
error, as what is missing cannot be known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from cf_llama.protocol import json_values
from cf_llama.protocol.coercion import read
from cf_llama.protocol.json_schema import tool_name
from langchain_cf_llama.chat_methods import ChatRunnable
from langchain_cf_llama.errors import ToolChoiceError
from langchain_cf_llama.messages import messages_of
from langchain_cf_llama.prepare import Method, schema_of
from langchain_cf_llama.responses import to_message

Rounds = Generator[tuple[list[LanguageModelInput], list[RunnableConfig]], Sequence[AIMessage | Exception], list[Any]]
"""Yields requests with their configs, receives a reply for each, and returns the results."""

_JSON_INSTRUCTION = "Answer with a JSON object and nothing else. It must fit this JSON schema: {schema}"
_CORRECTION = "This does not fit what was asked for: {problem}. Answer once more, so that it fits."


def structure(
    llm: Any,
    schema: Mapping[str, Any] | type | None,
    method: Method,
    *,
    include_raw: bool = False,
    output_retries: int | None = 1,
    **unknown: Any,
) -> StructuredOutput:
    """Configure structured output; for the parameters see `StructuredOutputMethods`.

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
        model=model,
        find=find,
        validate=_validator(schema, json_schema),
        instructions=_instructions(json_schema, method),
        include_raw=include_raw,
        output_retries=retries,
        corrects_missing_calls=not isinstance(getattr(llm, "bound", llm), BaseChatModel),
    )


def _bind_method(
    llm: Any, json_schema: dict[str, Any] | None, method: Method
) -> tuple[ChatRunnable, Callable[[AIMessage], Any]]:
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


@dataclass(frozen=True, eq=False, repr=False)
class StructuredOutput(Runnable[LanguageModelInput, Any]):
    """A runnable that requests objects from a model and reads them from its answers."""

    name = "structured_output"

    model: ChatRunnable
    find: Callable[[AIMessage], Any]
    validate: Callable[[Any], Any]
    instructions: Sequence[BaseMessage]
    include_raw: bool
    output_retries: int
    corrects_missing_calls: bool
    """Whether a forced call that did not come is requested again here: the chat model does so itself, a queue not."""

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        objects = self.batch([input], config, **kwargs)
        return objects[0]

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        objects = await self.abatch([input], config, **kwargs)
        return objects[0]

    def batch(self, inputs: list[LanguageModelInput], config: Any = None, **kwargs: Any) -> list[Any]:
        """Return the objects in order; for the parameters see LangChain's `Runnable.batch`."""
        return self._batch_with_config(self._batch, inputs, config, **kwargs)  # type: ignore[arg-type] # may take configs alone

    async def abatch(self, inputs: list[LanguageModelInput], config: Any = None, **kwargs: Any) -> list[Any]:
        """Return the objects in order; for the parameters see LangChain's `Runnable.batch`."""
        return await self._abatch_with_config(self._abatch, inputs, config, **kwargs)  # type: ignore[arg-type] # as above

    def _batch(self, inputs: list[LanguageModelInput], config: list[RunnableConfig], **options: Any) -> list[Any]:
        rounds = self._rounds(inputs, config)
        messages, configs = next(rounds)
        try:
            while True:
                with _own_callbacks():
                    replies = self.model.batch(messages, configs, return_exceptions=True, **options)
                messages, configs = rounds.send(replies)
        except StopIteration as end:
            return list(end.value)

    async def _abatch(
        self, inputs: list[LanguageModelInput], config: list[RunnableConfig], **options: Any
    ) -> list[Any]:
        rounds = self._rounds(inputs, config)
        messages, configs = next(rounds)
        try:
            while True:
                with _own_callbacks():
                    replies = await self.model.abatch(messages, configs, return_exceptions=True, **options)
                messages, configs = rounds.send(replies)
        except StopIteration as end:
            return list(end.value)

    def _rounds(self, inputs: Sequence[LanguageModelInput], configs: Sequence[RunnableConfig]) -> Rounds:
        """Yield the requests of each round, receive their replies, and return an object or error for each input.

        After the first round, only what did not fit is requested again, with what is wrong with it.
        """
        messages: dict[int, list[BaseMessage]] = {}
        answers: dict[int, Answer | Exception] = {}
        for place, each in enumerate(inputs):
            try:
                messages[place] = [*self.instructions, *messages_of(each)]
            except ValueError as error:  # of one input; the others are sent
                answers[place] = error
        requests = messages
        for _ in range(1 + self.output_retries):
            replies = yield list(requests.values()), [configs[place] for place in requests]
            for place, reply in zip(requests, replies, strict=True):
                answers[place] = _with_usage_of(answers.get(place), self._read(reply))
            requests = {
                place: [*messages[place], *_correction_messages(each)]
                for place, each in answers.items()
                if isinstance(each, Answer) and self._is_correctable(each)
            }
            if not requests:
                break
        return [self._result(answers[place]) for place in range(len(inputs))]

    def _is_correctable(self, answer: Answer) -> bool:
        return answer.error is not None and (
            self.corrects_missing_calls or not isinstance(answer.error, ToolChoiceError)
        )

    def _read(self, reply: AIMessage | Exception) -> Answer | Exception:
        """Read the object from a message; errors that no correction helps stay errors."""
        if isinstance(reply, ToolChoiceError):
            return Answer(to_message(reply.partial) if reply.partial else AIMessage(""), error=reply)
        if isinstance(reply, Exception):
            return reply
        try:
            return Answer(reply, self.validate(self.find(reply)))
        except (ValueError, TypeError, RecursionError) as error:
            return Answer(reply, error=OutputParserException(error, llm_output=str(reply.text)))

    def _result(self, answer: Answer | Exception) -> Any:
        """The result for the caller; an exception is raised unless it is asked for."""
        if isinstance(answer, Exception):
            return answer
        if self.include_raw:
            return {"raw": answer.raw, "parsed": answer.parsed, "parsing_error": answer.error}
        return answer.error or answer.parsed


@contextmanager
def _own_callbacks() -> Iterator[None]:
    """Make the runs in the block children of the configs they get; a binding prefers the chain around it otherwise."""
    token = var_child_runnable_config.set(None)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


def _with_usage_of(earlier: Answer | Exception | None, answer: Answer | Exception) -> Answer | Exception:
    """An answer, with the usage of an earlier one to the same input added."""
    if not (isinstance(earlier, Answer) and isinstance(answer, Answer)):
        return answer
    usage = add_usage(earlier.raw.usage_metadata, answer.raw.usage_metadata)
    return replace(answer, raw=answer.raw.model_copy(update={"usage_metadata": usage}))


def _correction_messages(answer: Answer) -> list[BaseMessage]:
    """The invalid answer and what is wrong with it, as the result of its tool calls if there are any."""
    problem = answer.error.message if isinstance(answer.error, ToolChoiceError) else answer.error  # ids are not for it
    text = _CORRECTION.format(problem=problem)
    calls = [*answer.raw.tool_calls, *answer.raw.invalid_tool_calls]
    results: list[BaseMessage] = [
        ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error") for call in calls if call["id"]
    ]
    return [answer.raw, *(results or [HumanMessage(text)])]


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
