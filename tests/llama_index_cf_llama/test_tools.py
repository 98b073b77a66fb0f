"""Tools: what is offered, what is forced, what comes back."""

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from pydantic import BaseModel, Field

from cf_llama import InvalidRequestError, ToolChoiceError
from cf_llama_emulator.wire.engine_protocol import Call, Text


class Point(BaseModel):
    x: int
    y: int | None = None


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


def locate(point: Point, label: str = Field(default="here", description="What to call it")) -> str:
    """Say where a point is."""
    return f"{label}: {point}"


MULTIPLY, SHOUT, LOCATE = map(FunctionTool.from_defaults, (multiply, shout, locate))
FORCED = {"type": "function", "function": {"name": "multiply"}}
SIBLINGS = ["chat_with_tools", "stream_chat_with_tools"]


async def last_answer(caller, llm, method, *args, **kwargs):
    if method.startswith("stream"):
        return (await caller.items(llm, method, *args, **kwargs))[-1]
    return await caller.call(llm, method, *args, **kwargs)


def calls(llm, answer):
    return [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(answer)]


@pytest.mark.parametrize("method", SIBLINGS)
async def test_the_four_siblings_call_the_tool(script, shape, caller, method):
    talk = script([Call("multiply", {"a": 3, "b": 4})], shape=shape)
    answer = await last_answer(caller, talk.llm, method, [MULTIPLY, SHOUT], "What is 3 times 4?")
    assert calls(talk.llm, answer) == [("multiply", {"a": 3, "b": 4})]
    assert answer.raw["finish_reason"] == "tool_calls"
    [body] = talk.bodies
    assert body["messages"] == [{"role": "user", "content": "What is 3 times 4?"}]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["multiply", "shout"]
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body


@pytest.mark.parametrize("method", SIBLINGS)
async def test_text_beside_calls_is_kept(script, shape, caller, method):
    talk = script([Text("Let me see."), Call("multiply", {"a": 3, "b": 4})], shape=shape)
    answer = await last_answer(caller, talk.llm, method, [MULTIPLY], "3 times 4?")
    assert answer.message.content == "Let me see."
    assert calls(talk.llm, answer) == [("multiply", {"a": 3, "b": 4})]


@pytest.mark.parametrize("method", SIBLINGS)
@pytest.mark.parametrize(("allowed", "count"), [(True, 2), (False, 1)])
async def test_parallel_calls_are_trimmed_unless_allowed(script, caller, method, allowed, count):
    both = [Call("multiply", {"a": 1, "b": 2}), Call("shout", {"text": "hey"})]
    talk = script(both)
    answer = await last_answer(caller, talk.llm, method, [MULTIPLY, SHOUT], "Both", allow_parallel_tool_calls=allowed)
    assert len(calls(talk.llm, answer)) == count
    assert len(answer.message.additional_kwargs["tool_calls"]) == count
    ids = [call.tool_id for call in talk.llm.get_tool_calls_from_response(answer)]
    assert all(ids)
    assert len(set(ids)) == count


async def test_ids_stay_the_same_through_a_stream(script, shape, caller):
    talk = script([Call("multiply", {"a": 1, "b": 2})], shape=shape)
    items = await caller.items(talk.llm, "stream_chat_with_tools", [MULTIPLY], "Go")
    ids = [talk.llm.get_tool_calls_from_response(item, error_on_no_tool_call=False) for item in items]
    assert len({call.tool_id for found in ids for call in found}) == 1


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, None),
        ({"tool_choice": None}, None),
        ({"tool_choice": "auto"}, "auto"),
        ({"tool_choice": "none"}, None),
        ({"tool_required": True}, "required"),
        ({"tool_choice": None, "tool_required": True}, "required"),
        ({"tool_choice": "any"}, "required"),
        ({"tool_choice": "required"}, "required"),
        ({"tool_choice": "multiply"}, FORCED),
        ({"tool_choice": FORCED}, FORCED),
        ({"tool_choice": "multiply", "tool_required": True}, FORCED),
    ],
)
async def test_each_spelling_of_the_choice(script, asked, sent):
    talk = script([Text("No.")] if sent in (None, "auto") else [Call("multiply", {"a": 1, "b": 1})])
    talk.llm.chat_with_tools([MULTIPLY, SHOUT], "Go", **asked)
    assert talk.bodies[0].get("tool_choice") == sent


async def test_the_only_tool_is_required_by_name(script, caller):
    talk = script([Call("multiply", {"a": 1, "b": 1})])
    await caller.call(talk.llm, "chat_with_tools", [MULTIPLY], "Go", tool_required=True)
    assert talk.bodies[0]["tool_choice"] == FORCED


@pytest.mark.parametrize("method", SIBLINGS)
async def test_an_unknown_choice_is_refused(rules, caller, method):
    talk = rules()
    with pytest.raises(InvalidRequestError, match=r"tool_choice names 'divide'; allowed are .*multiply"):
        await last_answer(caller, talk.llm, method, [MULTIPLY], "Go", tool_choice="divide")
    assert talk.bodies == []


@pytest.mark.parametrize("method", SIBLINGS)
async def test_a_forced_call_that_does_not_come_is_asked_for_again_and_then_reported(script, caller, method):
    talk = script("I would rather not.", [Call("multiply", {"a": 1, "b": 2})], "No.", "Still no.")
    answer = await last_answer(caller, talk.llm, method, [MULTIPLY], "Go", tool_required=True)
    assert calls(talk.llm, answer) == [("multiply", {"a": 1, "b": 2})]
    with pytest.raises(ToolChoiceError, match="forced a call of multiply") as caught:
        await last_answer(caller, talk.llm, method, [MULTIPLY], "Go", tool_required=True)
    assert caught.value.partial.text == "Still no."
    assert len(talk.bodies) == 4


@pytest.mark.parametrize("tool", [len, 42, "multiply"])
@pytest.mark.parametrize("method", SIBLINGS)
async def test_what_is_no_tool_is_refused_before_a_request(script, caller, method, tool):
    talk = script("Hi")
    with pytest.raises(InvalidRequestError, match=r"FunctionTool.from_defaults.* not (builtin|int|str)"):
        await last_answer(caller, talk.llm, method, [MULTIPLY, tool], "Go")
    assert talk.bodies == []


@pytest.mark.parametrize("method", SIBLINGS)
async def test_no_tools_are_no_tools(script, caller, method):
    talk = script("Hi")
    history = [ChatMessage(role="user", content="Hello")]
    answer = await last_answer(caller, talk.llm, method, [], chat_history=history)
    assert answer.message.content == "Hi"
    assert talk.bodies[0].keys() & {"tools", "tool_choice"} == set()


async def test_history_comes_before_the_question_and_is_left_alone(script, caller):
    talk = script("Hi")
    history = [ChatMessage(role="system", content="Be brief.")]
    await caller.call(talk.llm, "chat_with_tools", [MULTIPLY], ChatMessage(content="Go"), chat_history=history)
    assert [message["role"] for message in talk.bodies[0]["messages"]] == ["system", "user"]
    assert len(history) == 1


async def test_schemas_reach_the_service_without_references_and_with_descriptions(script):
    talk = script("Hi")
    talk.llm.chat_with_tools([LOCATE], "Go")
    assert talk.bodies[0]["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "point": {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
                "required": ["x"],
                "description": "point",
            },
            "label": {"type": "string", "default": "here", "description": "What to call it"},
        },
        "required": ["point"],
    }


def test_a_long_description_is_no_error(script):
    talk = script("Hi")
    tool = FunctionTool.from_defaults(multiply, description="many words " * 200)
    talk.llm.chat_with_tools([tool], "Go")
    assert talk.bodies[0]["tools"][0]["function"]["description"] == "many words " * 200


def test_what_changes_in_a_tool_is_sent(script):
    talk = script("Hi", "Hi", "Hi")
    tool = FunctionTool.from_defaults(multiply, description="First.")
    for description in ("First.", "Second."):
        tool.metadata.description = description
        talk.llm.chat_with_tools([tool], "Go")
    talk.llm.chat_with_tools([FunctionTool.from_defaults(shout, name="multiply", description="Second.")], "Go")
    sent = [body["tools"][0]["function"] for body in talk.bodies]
    assert [tool["description"] for tool in sent] == ["First.", "Second.", "Second."]
    assert [list(tool["parameters"]["properties"]) for tool in sent] == [["a", "b"], ["a", "b"], ["text"]]


def test_a_tool_may_define_itself(script):
    class Metadata(ToolMetadata):
        def get_parameters_dict(self):
            return {"type": "object", "properties": {"z": {"type": "string", "description": "Zed"}}}

    talk = script("Hi")
    talk.llm.chat_with_tools([FunctionTool(multiply, metadata=Metadata("Mine.", "mine"))], "Go")
    assert list(talk.bodies[0]["tools"][0]["function"]["parameters"]["properties"]) == ["z"]


async def test_arguments_are_brought_to_their_type(script, caller):
    talk = script([Call("multiply", {"a": "3", "b": "4"})])
    result = await caller.call(talk.llm, "predict_and_call", [MULTIPLY], "3 times 4?")
    assert result.response == "12"


async def test_predict_and_call_runs_the_tools(script, shape, caller):
    talk = script(
        [Call("multiply", {"a": 3, "b": 4}), Call("shout", {"text": "hey"})],
        [Call("multiply", {"a": 3, "b": 4}), Call("shout", {"text": "hey"})],
        "Nothing to call.",
        shape=shape,
    )
    both = await caller.call(talk.llm, "predict_and_call", [MULTIPLY, SHOUT], "Go", allow_parallel_tool_calls=True)
    assert both.response == "12\n\nHEY"
    assert (await caller.call(talk.llm, "predict_and_call", [MULTIPLY, SHOUT], "Go")).response == "12"
    text = await caller.call(talk.llm, "predict_and_call", [MULTIPLY], "Go", error_on_no_tool_call=False)
    assert text.response == "Nothing to call."


async def test_no_call_is_an_error_where_one_is_expected(script, caller):
    talk = script("Nothing to call.")
    with pytest.raises(ValueError, match="at least one tool call"):
        await caller.call(talk.llm, "predict_and_call", [MULTIPLY], "Go")


async def test_broken_arguments_are_an_error_of_the_tool(script, caller):
    talk = script([Call("shout", '{"text": "he')], shape="hybrid")
    result = await caller.call(talk.llm, "predict_and_call", [SHOUT], "Go")
    [source] = result.sources
    assert source.is_error
    assert "invalid_json" in source.content


def test_calls_of_other_integrations_are_selected(rules):
    message = ChatMessage(blocks=[ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs='{"a": 1}')])
    [call] = rules().llm.get_tool_calls_from_response(ChatResponse(message=message))
    assert (call.tool_id, call.tool_kwargs) == ("c", {"a": 1})
