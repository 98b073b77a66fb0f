"""Keyword arguments of the model for type checkers: the settings, and LlamaIndex's own."""

from __future__ import annotations

from typing import Any, Literal

from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import CompletionToPromptCallable, MessagesToPromptCallable
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import BaseOutputParser, PydanticProgramMode

from cf_llama.config.setting_options import SettingsOptions


class ModelOptions(SettingsOptions, total=False):
    """Keyword arguments of `CloudflareLlama`."""

    complete_as: Literal["chat", "prompt"] | None
    additional_kwargs: dict[str, Any] | None
    callback_manager: CallbackManager | None
    rate_limiter: Any
    should_use_structured_outputs: bool
    system_prompt: str | None
    messages_to_prompt: MessagesToPromptCallable | None
    completion_to_prompt: CompletionToPromptCallable | None
    output_parser: BaseOutputParser | None
    pydantic_program_mode: PydanticProgramMode
    query_wrapper_prompt: BasePromptTemplate | None
