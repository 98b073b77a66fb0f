"""Tests of structured output."""
# ruff: noqa: S101 - tests assert

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field

from llama_index_cf_llama.conformance.base import CallStyle, Conformance


class Name(BaseModel):
    """What somebody is called."""

    first: str = Field(description="The first name")
    last: str | None = Field(default=None, description="The last name, if known")


class Person(BaseModel):
    """Somebody."""

    name: Name = Field(description="How the person is called")
    age: int = Field(description="How many years old the person is")


class StructuredConformance(Conformance):
    """`structured_predict` and its siblings, on which selectors, extractors and `output_cls` are built."""

    def prompt(self) -> PromptTemplate:
        """The prompt template that describes the person."""
        return PromptTemplate(self.structured_prompt)

    def test_predicts_objects(self, llm: Any, style: CallStyle) -> None:
        """Programs, selectors, query engines with `output_cls`."""
        person = style.call(llm, "structured_predict", Person, self.prompt(), hint="")
        assert isinstance(person, Person)
        assert person.age == 36  # noqa: PLR2004 - as the prompt says

    def test_streams_objects(self, llm: Any, style: CallStyle) -> None:
        """User interfaces that show partial objects; the last object is complete."""
        objects = style.items(llm, "stream_structured_predict", Person, self.prompt(), hint="")
        assert isinstance(objects[-1], Person)
        assert objects[-1].age == 36  # noqa: PLR2004 - as the prompt says

    def test_structured_models(self, llm: Any, style: CallStyle) -> None:
        """Query engines and agents that use `as_structured_llm`."""
        response = style.call(llm.as_structured_llm(Person), "complete", self.structured_prompt)
        assert isinstance(response.raw, Person)
        assert Person.model_validate_json(response.text) == response.raw

    @pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
    def test_the_system_prompt_is_kept(self, llm: Any, style: CallStyle, events: list[Any], method: str) -> None:
        """Models with a system prompt."""
        llm.system_prompt = "You read carefully."
        style.parts(llm, method, Person, self.prompt(), hint="")
        messages = next(event.messages for event in events if isinstance(event, LLMChatStartEvent))
        assert [message.content for message in messages][:1] == ["You read carefully."]
