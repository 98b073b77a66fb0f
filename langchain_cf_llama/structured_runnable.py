"""Structured output as a runnable that sends each request separately."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_cf_llama.structured_output import NAME, StructuredOutput


class StructuredRunnable(Runnable[LanguageModelInput, Any]):
    """A runnable that returns an object for each input.

    Args:
        structure: How a model is asked, and how its answers are read.
    """

    name = NAME

    def __init__(self, structure: StructuredOutput) -> None:
        self._structure = structure

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        return self._call_with_config(self._structure.invoke, input, config, **kwargs)  # type: ignore[arg-type] # may take a config alone

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Return the object for one input."""
        return await self._acall_with_config(self._structure.ainvoke, input, config, **kwargs)  # type: ignore[arg-type] # as above
