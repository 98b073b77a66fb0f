"""Answers in the form of a schema as a step of a chain: each question asked at once, and by itself."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_cf_llama.structured_output import NAME, StructuredOutput


class StructuredRunnable(Runnable[LanguageModelInput, Any]):
    """A step of a chain that gives an object for each question.

    Args:
        structure: How a model is asked, and how its answers are read.
    """

    name = NAME

    def __init__(self, structure: StructuredOutput) -> None:
        self._structure = structure

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Ask one question."""
        return self._call_with_config(self._structure.invoke, input, config, **kwargs)  # type: ignore[arg-type] # may take a config alone

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Ask one question."""
        return await self._acall_with_config(self._structure.ainvoke, input, config, **kwargs)  # type: ignore[arg-type] # as above
