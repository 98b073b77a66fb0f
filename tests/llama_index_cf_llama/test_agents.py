"""LlamaIndex's agents, each with nothing but the model exchanged."""

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from cf_llama_emulator.wire.engine_protocol import Call, Text

pytestmark = [
    pytest.mark.usefixtures(
        "both_event_loops"
    ),  # LlamaIndex's workflows look through all attributes of an agent, deprecated ones of pydantic too
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step"),  # its agents do
]

STREAMED = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def run(agent, question, **kwargs):
    """Run an agent; return its answer and its events."""
    handler = agent.run(question, **kwargs)
    events = [event async for event in handler.stream_events()]
    return await handler, events


def results(events):
    return [(event.tool_name, str(event.tool_output)) for event in events if isinstance(event, ToolCallResult)]


@STREAMED
async def test_function_agent_calls_uses_the_result_and_answers(script, shape, streaming):
    talk = script(
        [Text("I multiply."), Call("multiply", {"a": 6, "b": 7}), Call("add", {"a": 1, "b": 1})],
        "It is 42.",
        shape=shape,
    )
    agent = FunctionAgent(tools=[multiply, add], llm=talk.llm, system_prompt="Count well.", streaming=streaming)
    answer, events = await run(agent, "What is 6 times 7?")
    assert str(answer) == "It is 42."
    assert sorted(results(events)) == [("add", "2"), ("multiply", "42")]
    first, second = talk.bodies
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    turn, *answers = second["messages"][2:]
    assert turn["content"] == "I multiply."
    assert {message["tool_call_id"] for message in answers} == {call["id"] for call in turn["tool_calls"]}
    if streaming:
        deltas = "".join(event.delta for event in events if isinstance(event, AgentStream))
        assert deltas == "I multiply.It is 42."


async def test_function_agent_with_the_rule_engine(rules):
    answer, _ = await run(FunctionAgent(tools=[multiply], llm=rules().llm), "Please multiply 6 and 7.")
    assert "42" in str(answer)


async def test_function_agent_without_tools(rules):
    answer, _ = await run(FunctionAgent(llm=rules().llm), "Hello")
    assert str(answer) == "You said: Hello"


@STREAMED
async def test_function_agent_tells_the_model_of_broken_arguments_and_errors(script, streaming):
    talk = script([Call("multiply", '{"a": 6')], [Call("multiply", {"a": 6, "c": 7})], "I give up.", shape="hybrid")
    answer, events = await run(FunctionAgent(tools=[multiply], llm=talk.llm, streaming=streaming), "6 times 7?")
    assert str(answer) == "I give up."
    told = [message["content"] for message in talk.bodies[-1]["messages"] if message["role"] == "tool"]
    assert "unexpected keyword argument 'invalid_json'" in told[0]
    assert "unexpected keyword argument 'c'" in told[1]
    assert all(event.tool_output.is_error for event in events if isinstance(event, ToolCallResult))


async def test_function_agent_can_be_made_to_begin_with_a_tool(script):
    talk = script([Call("multiply", {"a": 1, "b": 2})], "Done.")
    await run(FunctionAgent(tools=[multiply, add], llm=talk.llm, initial_tool_choice="multiply"), "Go")
    first, second = talk.bodies
    assert first["tool_choice"] == {"type": "function", "function": {"name": "multiply"}}
    assert "tool_choice" not in second


async def test_a_tool_that_answers_directly_ends_the_run(script):
    talk = script([Call("multiply", {"a": 6, "b": 7})], "And then?")
    tool = FunctionTool.from_defaults(multiply, return_direct=True)
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)
    agent = FunctionAgent(tools=[tool], llm=talk.llm)
    answer, _ = await run(agent, "6 times 7?", memory=memory)
    assert str(answer) == "42"
    assert str((await run(agent, "Thanks", memory=memory))[0]) == "And then?"
    roles = [message["role"] for message in talk.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


async def test_memory_carries_calls_to_the_next_run(script):
    talk = script([Call("multiply", {"a": 6, "b": 7})], "42.", "As I said, 42.")
    agent = FunctionAgent(tools=[multiply], llm=talk.llm)
    memory = ChatMemoryBuffer.from_defaults(llm=talk.llm)
    assert memory.token_limit == 18_000  # three quarters of the window
    await run(agent, "6 times 7?", memory=memory)
    assert str((await run(agent, "Again?", memory=memory))[0]) == "As I said, 42."
    history = talk.bodies[-1]["messages"]
    assert [message["role"] for message in history] == ["user", "assistant", "tool", "assistant", "user"]
    assert history[1]["tool_calls"][0]["function"] == {"name": "multiply", "arguments": '{"a": 6, "b": 7}'}


@STREAMED
async def test_react_agent_reasons_in_text(script, shape, streaming):
    talk = script(
        'Thought: I need the tool.\nAction: multiply\nAction Input: {"a": 6, "b": 7}',
        "Thought: I can answer without using any more tools.\nAnswer: It is 42.",
        shape=shape,
    )
    agent = ReActAgent(tools=[multiply], llm=talk.llm, streaming=streaming)
    answer, events = await run(agent, "What is 6 times 7?")
    assert str(answer) == "It is 42."
    assert results(events) == [("multiply", "42")]
    assert all("tools" not in body for body in talk.bodies)
    assert talk.bodies[1]["messages"][-1]["content"] == "Observation: 42"


@STREAMED
async def test_code_act_agent_runs_what_the_model_writes(script, streaming):
    talk = script("Let me see.\n<execute>\nprint(multiply(6, 7))\n</execute>", "It is 42.")
    agent = CodeActAgent(
        tools=[multiply],
        llm=talk.llm,
        code_execute_fn=lambda code: f"ran {code}",
        streaming=streaming,
    )
    answer, _ = await run(agent, "What is 6 times 7?")
    assert str(answer) == "It is 42."
    assert "ran print(multiply(6, 7))" in talk.bodies[1]["messages"][-1]["content"]


@STREAMED
async def test_a_workflow_hands_over_from_agent_to_agent(script, shape, streaming):
    talk = script(
        [Call("handoff", {"to_agent": "counter", "reason": "It counts."})],
        [Call("multiply", {"a": 6, "b": 7})],
        "It is 42.",
        shape=shape,
    )
    names = {"llm": talk.llm, "streaming": streaming}
    workflow = AgentWorkflow(
        agents=[
            FunctionAgent(name="host", description="Greets.", can_handoff_to=["counter"], **names),
            FunctionAgent(name="counter", description="Counts.", tools=[multiply], **names),
        ],
        root_agent="host",
    )
    answer, events = await run(workflow, "What is 6 times 7?")
    assert str(answer) == "It is 42."
    assert [name for name, _ in results(events)] == ["handoff", "multiply"]
    assert [tool["function"]["name"] for tool in talk.bodies[0]["tools"]] == ["handoff"]
    assert answer.current_agent_name == "counter"


def test_a_workflow_from_functions_takes_the_function_agent(rules):
    workflow = AgentWorkflow.from_tools_or_functions([multiply], llm=rules().llm)
    assert isinstance(next(iter(workflow.agents.values())), FunctionAgent)


class Product(BaseModel):
    """A product of two numbers."""

    value: int


async def test_an_agent_answers_with_an_object(script):
    talk = script([Call("multiply", {"a": 6, "b": 7})], "It is 42.", [Call("Product", {"value": "42"})])
    answer, _ = await run(FunctionAgent(tools=[multiply], llm=talk.llm, output_cls=Product), "6 times 7?")
    assert answer.get_pydantic_model(Product) == Product(value=42)
    assert talk.bodies[-1]["tool_choice"]["function"]["name"] == "Product"


async def test_an_agent_that_runs_out_of_steps_is_asked_for_a_summary(script):
    talk = script([Call("add", {"a": 1, "b": 1})], [Call("add", {"a": 2, "b": 2})], "Enough.")
    agent = FunctionAgent(tools=[add], llm=talk.llm, early_stopping_method="generate")
    answer, _ = await run(agent, "Count on.", max_iterations=2)
    assert str(answer) == "Enough."
    assert "tools" not in talk.bodies[-1]
