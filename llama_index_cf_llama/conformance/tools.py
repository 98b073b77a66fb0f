"""Tests of tool calls and agents."""
# ruff: noqa: S101 - tests assert

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field

from llama_index_cf_llama.conformance.base import CallStyle, Conformance, text_of

METHODS = pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])


class Factors(BaseModel):
    """The arguments of `multiply`."""

    a: int = Field(default=6, description="The first number")
    b: int = Field(default=7, description="The second number")


def multiply(a: int = 6, b: int = 7) -> int:
    """Multiply two whole numbers and return the product."""
    return a * b


class ToolConformance(Conformance):
    """Tool calls, for models whose metadata declares them."""

    @pytest.fixture
    def caller(self, llm: Any) -> FunctionCallingLLM:
        """The model, which must be a `FunctionCallingLLM`: agents call its methods."""
        if not llm.metadata.is_function_calling_model:
            pytest.skip("metadata.is_function_calling_model is False")
        assert isinstance(llm, FunctionCallingLLM), "is_function_calling_model needs a FunctionCallingLLM"
        return llm

    @pytest.fixture
    def tool(self) -> FunctionTool:
        """The tool to call."""
        return FunctionTool.from_defaults(multiply, fn_schema=Factors)

    @METHODS
    def test_a_tool_is_called(self, caller: Any, style: CallStyle, method: str, tool: FunctionTool) -> None:
        """Agents, which read name, arguments and id from the last part of a response."""
        answer = style.parts(caller, method, [tool], self.tool_question, tool_required=True)[-1]
        [call] = caller.get_tool_calls_from_response(answer)
        assert call.tool_name == "multiply"
        assert isinstance(call.tool_kwargs, dict)
        assert call.tool_id

    @METHODS
    def test_a_call_is_in_both_places(self, caller: Any, style: CallStyle, method: str, tool: FunctionTool) -> None:
        """Agents, which read the blocks, and streamed objects and chat engines, which read `additional_kwargs`."""
        message = style.parts(caller, method, [tool], self.tool_question, tool_required=True)[-1].message
        assert [block for block in message.blocks if isinstance(block, ToolCallBlock)]
        kept = message.additional_kwargs.get("tool_calls")
        assert isinstance(kept, list)
        assert kept
        assert ChatMessage.model_validate_json(message.model_dump_json()).blocks == message.blocks

    def test_ids_stay_through_a_stream(self, caller: Any, style: CallStyle, tool: FunctionTool) -> None:
        """`FunctionAgent`, which reads the calls from every part of a stream."""
        parts = style.parts(caller, "stream_chat_with_tools", [tool], self.tool_question, tool_required=True)
        calls = [call for part in parts for call in caller.get_tool_calls_from_response(part, False)]
        assert len({call.tool_id for call in calls}) == 1

    def test_no_call_is_said_or_raised(self, caller: Any) -> None:
        """`predict_and_call` and agents, which use either value of `error_on_no_tool_call`."""
        response = ChatResponse(message=ChatMessage(role="assistant", content="No."))
        assert caller.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match=r"(?s).*"):
            caller.get_tool_calls_from_response(response, error_on_no_tool_call=True)

    def test_half_a_call_can_be_looked_at(self, caller: Any) -> None:
        """Streaming agents, which parse incomplete arguments."""
        partial = ToolCallBlock(tool_call_id="c", tool_name="multiply", tool_kwargs='{"a": 6, "b')
        [call] = caller.get_tool_calls_from_response(
            ChatResponse(message=ChatMessage(role="assistant", blocks=[partial]))
        )
        assert isinstance(call.tool_kwargs, dict)

    def test_tool_required_is_a_parameter_of_its_own(self, caller: Any) -> None:
        """LlamaIndex, which checks the signature before it forces a call."""
        assert "tool_required" in inspect.signature(caller._prepare_chat_with_tools).parameters  # noqa: SLF001 - LlamaIndex inspects this method

    @METHODS
    def test_no_tools_are_allowed(self, caller: Any, style: CallStyle, method: str) -> None:
        """Agents without tools."""
        assert text_of(style.parts(caller, method, [], chat_history=self.messages())[-1])

    @METHODS
    def test_history_is_not_written_to(self, caller: Any, style: CallStyle, method: str, tool: FunctionTool) -> None:
        """Callers that reuse their list of messages."""
        history = [ChatMessage(role="system", content="You use tools.")]
        style.parts(caller, method, [tool], self.tool_question, chat_history=history)
        assert len(history) == 1

    @METHODS
    def test_results_are_taken_back(self, caller: Any, style: CallStyle, method: str, tool: FunctionTool) -> None:
        """The second step of every agent."""
        call = ToolCallBlock(tool_call_id="call_1", tool_name="multiply", tool_kwargs={"a": 6, "b": 7})
        history = [
            ChatMessage(role="user", content=self.tool_question),
            ChatMessage(role="assistant", blocks=[call]),
            ChatMessage(role="tool", content="42", additional_kwargs={"tool_call_id": "call_1"}),
        ]
        assert text_of(style.parts(caller, method, [tool], chat_history=history)[-1])

    def test_one_call_where_one_is_allowed(self, caller: Any, style: CallStyle, tool: FunctionTool) -> None:
        """`predict_and_call`, which raises an error for two calls."""
        again = FunctionTool.from_defaults(multiply, name="multiply_again", fn_schema=Factors)
        answer = style.parts(caller, "chat_with_tools", [tool, again], self.tool_question, tool_required=True)[-1]
        assert len(caller.get_tool_calls_from_response(answer)) == 1

    def test_predict_and_call(self, caller: Any, style: CallStyle, tool: FunctionTool) -> None:
        """Query planners and selectors."""
        result = style.call(caller, "predict_and_call", [tool], self.tool_question, tool_required=True)
        assert result.sources[0].tool_name == "multiply"
        assert result.response == "42"

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised in LlamaIndex's workflows
    @pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
    def test_an_agent_runs(self, caller: Any, tool: FunctionTool, streaming: bool) -> None:
        """`FunctionAgent` and `AgentWorkflow`."""
        answer, results = asyncio.run(_run(FunctionAgent(tools=[tool], llm=caller, streaming=streaming), self))
        assert [str(result.tool_output) for result in results][:1] == ["42"]
        assert str(answer)


async def _run(agent: FunctionAgent, suite: Conformance) -> tuple[Any, list[ToolCallResult]]:
    handler = agent.run(suite.tool_question)
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    return await handler, results
