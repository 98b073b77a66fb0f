"""Agents of LangChain and LangGraph, which no one here wrote, on the model."""

from __future__ import annotations

import json

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from cf_llama_emulator.wire.engine_protocol import Call, Raw, Text
from langchain_cf_llama import errors

pytestmark = pytest.mark.usefixtures("both_event_loops")

ASKED: list[str] = []


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    ASKED.append(city)
    return f"rain in {city}"


@tool
def news(city: str) -> str:
    """Tell the news of a city."""
    return f"nothing in {city}"


class Forecast(BaseModel):
    """What to expect."""

    city: str
    umbrella: bool


QUESTION = {"messages": [{"role": "user", "content": "Do I need an umbrella in Bergen?"}]}
LOOK = [Text("Let me look."), Call("weather", {"city": "Bergen"})]
LOOK_TWICE = [Call("weather", {"city": "Bergen"}), Call("weather", {"city": "Oslo"})]
FORECAST = {"city": "Bergen", "umbrella": True}


@pytest.fixture(autouse=True)
def _nothing_asked():
    ASKED.clear()


def kinds(messages) -> list[str]:
    return [message.type for message in messages]


@pytest.mark.parametrize("look", [LOOK, LOOK_TWICE], ids=["text and a call", "two calls"])
def test_an_agent_calls_its_tools_and_answers(stage, caller, look):
    agent = create_agent(stage.model(look, "Yes, take one."), [weather])

    messages = caller.invoke(agent, QUESTION)["messages"]

    calls = [piece for piece in look if isinstance(piece, Call)]
    assert kinds(messages) == ["human", "ai", *["tool"] * len(calls), "ai"]
    assert sorted(ASKED) == [call.arguments["city"] for call in calls]
    assert messages[-1].content == "Yes, take one."
    assert all(isinstance(turn["content"], str) for turn in stage.asked["messages"])


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"])
def test_an_agent_streams_in_every_mode(stage, caller, mode):
    agent = create_agent(stage.model(LOOK, ["Yes,", " take", " one."]), [weather])

    caller.stream(agent, QUESTION, stream_mode=mode)

    assert ASKED == ["Bergen"]
    assert len(stage.bodies) == 2
    assert ("stream" in stage.asked) == (mode == "messages")


def test_an_agent_streams_its_tokens(stage, caller):
    agent = create_agent(stage.model(LOOK, ["Yes,", " take", " one."]), [weather])

    items = caller.stream(agent, QUESTION, stream_mode=["messages", "values"])

    told = [item[0].content for mode, item in items if mode == "messages" and item[0].content]
    assert told == ["Let me look.", "rain in Bergen", "Yes,", " take", " one."]
    assert kinds(items[-1][1]["messages"]) == ["human", "ai", "tool", "ai"]
    assert ASKED == ["Bergen"]


# --- a structured end


def test_a_structured_end_by_a_tool(stage, caller):
    agent = create_agent(
        stage.model(LOOK, Call("Forecast", FORECAST)), [weather], response_format=ToolStrategy(Forecast)
    )

    assert caller.invoke(agent, QUESTION)["structured_response"] == Forecast(**FORECAST)
    assert stage.asked["tool_choice"] == "required"


def test_a_schema_alone_becomes_a_tool(stage, caller):
    agent = create_agent(stage.model(LOOK, Call("Forecast", FORECAST)), [weather], response_format=Forecast)

    assert caller.invoke(agent, QUESTION)["structured_response"] == Forecast(**FORECAST)
    assert all("response_format" not in body for body in stage.bodies)


def test_an_agent_that_will_not_end_in_the_tool_is_an_error(stage, caller):
    agent = create_agent(stage.model("Take one.", "I said so."), [weather], response_format=ToolStrategy(Forecast))

    with pytest.raises(errors.ToolChoiceError):
        caller.invoke(agent, QUESTION)


@pytest.mark.parametrize("mode", ["values", "messages"])
def test_a_structured_end_by_the_provider(stage, caller, mode):
    agent = create_agent(stage.model(json.dumps(FORECAST)), [], response_format=ProviderStrategy(Forecast, strict=True))

    state = caller.stream(agent, QUESTION, stream_mode=[mode, "values"])[-1][1]

    assert state["structured_response"] == Forecast(**FORECAST)
    assert stage.asked["response_format"]["type"] == "json_schema"
    assert stage.asked["response_format"]["json_schema"]["required"] == ["city", "umbrella"]


def test_a_structured_end_by_the_provider_after_tools(stage, caller):
    agent = create_agent(stage.model(LOOK, json.dumps(FORECAST)), [weather], response_format=ProviderStrategy(Forecast))

    assert caller.invoke(agent, QUESTION)["structured_response"] == Forecast(**FORECAST)
    assert ASKED == ["Bergen"]


# --- when things go wrong


def test_a_broken_call_is_answered_and_never_run(stage, caller):
    agent = create_agent(stage.model(Call("weather", '{"city": "Ber'), "Sorry."), [weather])

    for _ in caller.stream(agent, QUESTION, stream_mode="messages"):
        pass

    assert ASKED == []


def test_a_conversation_with_a_broken_call_goes_on(stage, caller):
    agent = create_agent(stage.model(Call("weather", '{"city": "Ber'), "Fine."), [weather])

    said = caller.invoke(agent, QUESTION)["messages"]
    messages = caller.invoke(agent, {"messages": [*said, HumanMessage("Go on.")]})["messages"]

    assert messages[-1].content == "Fine."
    roles = [turn["role"] for turn in stage.asked["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]


BUSY = Raw(429, {}, [b'{"success": false, "errors": [{"code": 3040, "message": "no capacity"}]}'])
SPENT = Raw(429, {}, [b'{"success": false, "errors": [{"code": 3036, "message": "daily free allocation used up"}]}'])
WRONG = Raw(401, {}, [b'{"success": false, "errors": [{"code": 10000, "message": "Authentication error"}]}'])


def test_what_can_be_retried_is_retried(stage, caller):
    agent = create_agent(
        stage.model(BUSY, "Yes."), [], middleware=[ModelRetryMiddleware(initial_delay=0, jitter=False)]
    )

    assert caller.invoke(agent, QUESTION)["messages"][-1].content == "Yes."


@pytest.mark.parametrize(("failure", "kind"), [(SPENT, errors.QuotaExceededError), (WRONG, errors.AuthenticationError)])
def test_what_cannot_be_retried_is_not(stage, caller, failure, kind):
    retry = ModelRetryMiddleware(initial_delay=0, on_failure="error")
    agent = create_agent(stage.model(failure, "Yes."), [], middleware=[retry])

    with pytest.raises(kind):
        caller.invoke(agent, QUESTION)
    assert len(stage.bodies) == 1


def test_another_model_can_step_in(stage, caller):
    agent = create_agent(
        stage.model(BUSY), [], middleware=[ModelFallbackMiddleware(stage.model("Yes.", temperature=1.0))]
    )

    assert caller.invoke(agent, QUESTION)["messages"][-1].content == "Yes."
    assert [body.get("temperature") for body in stage.bodies] == [None, 1.0]


# --- middleware that looks at the model


LONG = [HumanMessage("word " * 400), AIMessage("I see."), HumanMessage("word " * 400), AIMessage("I see, too.")]
OVERFLOW = Raw(413, {}, [b'{"success": false, "errors": [{"code": 5021, "message": "exceeded the context window"}]}'])


@pytest.mark.parametrize("turns", [[], [OVERFLOW]], ids=["at once", "with less"])
def test_a_long_conversation_is_summed_up(stage, caller, turns):
    llm = stage.model(*turns, "They spoke of words.", "Yes.", max_tokens=22_000)
    shortened = SummarizationMiddleware(llm, trigger=("fraction", 0.3), keep=("messages", 1))

    state = caller.invoke(
        create_agent(llm, [], middleware=[shortened]), {"messages": [*LONG, HumanMessage("And now?")]}
    )

    assert "They spoke of words." in state["messages"][0].content
    assert state["messages"][-1].content == "Yes."
    assert len(stage.asked["messages"]) == 2
    assert len(stage.bodies) == 2 + len(turns)


def test_a_short_conversation_is_not_summed_up(stage, caller):
    llm = stage.model("Yes.", max_tokens=2_000)
    shortened = SummarizationMiddleware(llm, trigger=("fraction", 0.3), keep=("messages", 1))

    caller.invoke(create_agent(llm, [], middleware=[shortened]), {"messages": [*LONG, HumanMessage("And now?")]})

    assert len(stage.asked["messages"]) == 5


def test_old_results_are_cleared_by_the_models_own_count(stage, caller):
    edit = ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=300, keep=1)], token_count_method="model")
    llm = stage.model("Yes.")
    call = {"name": "weather", "args": {"city": "Bergen"}, "type": "tool_call"}
    history = [
        message
        for number in range(3)
        for message in (
            AIMessage("", tool_calls=[{**call, "id": f"c{number}"}]),
            ToolMessage("rain " * 200, tool_call_id=f"c{number}"),
        )
    ]

    caller.invoke(create_agent(llm, [weather], middleware=[edit]), {"messages": [HumanMessage("hi"), *history]})

    results = [turn["content"] for turn in stage.asked["messages"] if turn["role"] == "tool"]
    assert results[:2] == ["[cleared]"] * 2
    assert results[2] == "rain " * 200


def test_tools_are_selected_by_the_model(stage, caller):
    selected = Call("ToolSelectionResponse", {"tools": ["weather"]})
    agent = create_agent(stage.model(selected, "Yes."), [weather, news], middleware=[LLMToolSelectorMiddleware()])

    caller.invoke(agent, QUESTION)

    assert [offered["function"]["name"] for offered in stage.asked["tools"]] == ["weather"]
