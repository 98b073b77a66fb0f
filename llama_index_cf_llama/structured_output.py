"""Structured output by a forced tool call, as LlamaIndex does, or by the service's JSON schema.

LlamaIndex's programs leave gaps that are closed here: a streamed object is not forced, a stream may end with half an
object, the asynchronous program forgets the system prompt, and each call works the schema out anew, twice. A streamed
object comes whole, because the model's calls and its JSON mode do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, cast

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # re-exported, unmarked
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from cf_llama.protocol import json_values
from cf_llama.protocol.coercion import read
from cf_llama.protocol.json_schema import declared_parameters
from llama_index_cf_llama.tools import tool_schema

Partial: TypeAlias = Model | list[Model] | FlexibleModel | list[FlexibleModel]
"""What LlamaIndex streams: the object so far, with any fields until it is valid."""

_TOOL_OPTIONS = {"tools", "tool_choice", "tool_required", "parallel_tool_calls", "allow_parallel_tool_calls"}
_FUNCTION_CALLING_MODES = {PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION}

dispatcher = get_dispatcher(__name__)


class StructuredOutput(FunctionCallingLLM):
    """The part of `CloudflareLlama` for structured output."""

    model_config = ConfigDict(defer_build=True)  # never instantiated

    should_use_structured_outputs: bool = Field(
        default=False,
        description="Request objects with the service's JSON schema instead of a forced call, if "
        "`pydantic_program_mode` is the default.",
    )

    @dispatcher.span
    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer with an object of `output_cls`.

        Raises:
            ValueError: the model's answer is no such object.
        """
        if self.pydantic_program_mode not in _FUNCTION_CALLING_MODES:
            output: Model = super().structured_predict(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args)
            return output
        _start_event(output_cls, prompt, prompt_args)
        answer = self.chat(**self._chat_arguments(output_cls, prompt, llm_kwargs, prompt_args))
        return _end_event(_object(output_cls, answer))

    @dispatcher.span
    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer with an object of `output_cls`.

        Raises:
            ValueError: the model's answer is no such object.
        """
        if self.pydantic_program_mode not in _FUNCTION_CALLING_MODES:
            output: Model = await super().astructured_predict(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args)
            return output
        _start_event(output_cls, prompt, prompt_args)
        answer = await self.achat(**self._chat_arguments(output_cls, prompt, llm_kwargs, prompt_args))
        return _end_event(_object(output_cls, answer))

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Partial[Model], None, None]:
        """The object of `stream_structured_predict`, which comes whole, as the model's calls do."""
        if self.pydantic_program_mode not in _FUNCTION_CALLING_MODES:
            return super()._structured_stream_call(
                output_cls, cast("PromptTemplate", prompt), llm_kwargs, **prompt_args
            )
        answer = self.chat(**self._chat_arguments(output_cls, prompt, llm_kwargs, prompt_args))
        return _one(_object(output_cls, answer))

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Partial[Model], None]:
        """The object of `astream_structured_predict`, which comes whole, as the model's calls do."""
        if self.pydantic_program_mode not in _FUNCTION_CALLING_MODES:
            return await super()._structured_astream_call(
                output_cls, cast("PromptTemplate", prompt), llm_kwargs, **prompt_args
            )
        answer = await self.achat(**self._chat_arguments(output_cls, prompt, llm_kwargs, prompt_args))
        return _aone(_object(output_cls, answer))

    def _chat_arguments(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: Mapping[str, Any] | None,
        prompt_args: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The arguments of `chat` that ask for an object."""
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        options = {name: value for name, value in (llm_kwargs or {}).items() if name not in _TOOL_OPTIONS}
        if self.should_use_structured_outputs and self.pydantic_program_mode is PydanticProgramMode.DEFAULT:
            schema = {"type": "json_schema", "json_schema": output_cls.model_json_schema()}
            return {"messages": messages, "response_format": schema, **options}
        call = {"tools": [tool_schema(output_cls)], "tool_choice": "required", "parallel_tool_calls": False}
        return {"messages": messages, **call, **options}


def _json(output_cls: type[BaseModel], answer: ChatResponse) -> bytes | str:
    """The object of an answer: the arguments of its call, or else its text."""
    for block in answer.message.blocks:
        if isinstance(block, ToolCallBlock):
            return block.tool_kwargs if isinstance(block.tool_kwargs, str) else to_json(block.tool_kwargs)
    text = json_values.without_fence(answer.message.content or "")
    with suppress(json_values.InvalidJSON):  # then pydantic says what is wrong with it
        return read(text, declared_parameters(tool_schema(output_cls)))[1]
    return text


def _object(output_cls: type[Model], answer: ChatResponse) -> Model:
    try:
        return output_cls.model_validate_json(_json(output_cls, answer))
    except ValidationError as error:
        reason = (answer.raw or {}).get("finish_reason")
        hint = " (max_tokens was too small for it)" if reason == "length" else ""
        raise ValueError(f"the answer is no {output_cls.__name__}{hint}: {error}") from error


def _one(output: Model) -> Generator[Partial[Model], None, None]:
    yield output


async def _aone(output: Model) -> AsyncGenerator[Partial[Model], None]:
    yield output


def _start_event(output_cls: type[BaseModel], prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> None:
    dispatcher.event(LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args))


def _end_event(output: Model) -> Model:
    dispatcher.event(LLMStructuredPredictEndEvent(output=output))
    return output
