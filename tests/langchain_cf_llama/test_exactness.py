"""Schemas on their way to the service and arguments on their way back mean what they meant."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import pydantic.v1
import pytest
from hypothesis import given, settings
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import InjectedToolArg, StructuredTool, tool
from pydantic import BaseModel

from cf_llama_emulator.wire.engine_protocol import Call
from langchain_cf_llama import ChatCloudflareLlama
from tests.answers import SHAPES, Answering
from tests.langchain_cf_llama.support import folded
from tests.schemas import OBJECTS, PARAMETERS, identical, valid


class Tree(BaseModel):
    """A tree."""

    value: int
    children: list[Tree] = []


class TreeV1(pydantic.v1.BaseModel):
    """A tree."""

    value: int
    children: list[TreeV1] = []


TreeV1.update_forward_refs()


class Town(TypedDict):
    """A town."""

    name: str
    size: int | float
    kind: Literal["auto", 1, 2]


@tool
def everything(  # noqa: PLR0917 - one for each kind of type
    anything: Any,
    unknown,
    either: int | float,  # noqa: PYI041 - pydantic tells them apart
    one: Literal["auto", 1, 2],
    version: str,
    counts: dict[str, int],
    price: Decimal,
    day: dt.date,
    secret: Annotated[str, InjectedToolArg],
    limit: int | None = None,
    surname: str | None = None,
) -> str:
    """Take everything."""
    return (
        f"{secret} {anything!r} {unknown!r} {either!r} {one!r} {version!r} {counts} {price} {day} {limit} {surname!r}"
    )


def plant(tree: Tree, deep: int = 1) -> str:
    """Plant a tree."""
    return f"{tree} {deep}"


@pytest.fixture(params=SHAPES)
def answering(request):
    return Answering(request.param)


def model(answering):
    return ChatCloudflareLlama(account_id="0" * 32, api_token="t", max_retries=0, **answering.clients)


def arguments(answering, offered, text, *, streamed=False):
    """What comes back of arguments that the model wrote."""
    answering.arguments = text
    bound = model(answering).bind_tools([offered])
    message = folded(list(bound.stream("Go"))) if streamed else bound.invoke("Go")
    [call] = message.tool_calls
    return call["args"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_any_schema_reaches_the_service_and_any_value_the_tool(shape, streamed):
    answering = Answering(shape)

    @settings(max_examples=50)
    @given(PARAMETERS, OBJECTS)
    def law(parameters, value):
        offered = {"type": "function", "function": {"name": "f", "description": "D", "parameters": parameters}}
        found = arguments(answering, offered, json.dumps(value), streamed=streamed)
        assert valid(answering.parameters, value) == valid(parameters, value)
        if valid(parameters, value):
            assert identical(value, found)

    law()


WRITTEN = """{"anything": 3, "unknown": "3", "either": 2.50, "one": 2, "version": 1.10, "counts": {"a": "4"},
"price": 12345678901234567890.12, "day": "2024-02-03", "limit": "null", "surname": "Null"}""".replace("\n", " ")
READ = {
    "anything": 3,
    "unknown": "3",
    "either": 2.5,
    "one": 2,
    "version": "1.10",
    "counts": {"a": 4},
    "price": "12345678901234567890.12",
    "day": "2024-02-03",
    "limit": None,
    "surname": "Null",
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_arguments_are_read_by_what_the_function_declares(answering, streamed):
    found = arguments(answering, everything, WRITTEN, streamed=streamed)
    assert found == READ
    assert "secret" not in answering.parameters["properties"]
    told = everything.invoke(found | {"secret": "s"})
    assert told == "s 3 '3' 2.5 2 '1.10' {'a': 4} 12345678901234567890.12 2024-02-03 None 'Null'"


@pytest.mark.parametrize("offered", [Tree, TreeV1], ids=["v2", "v1"])
def test_a_type_that_holds_itself_is_told_with_its_children(answering, offered):
    text = '{"value": "1", "children": [{"value": "2", "children": [{"value": "3", "children": [{"value": "4"}]}]}]}'
    found = arguments(answering, offered, text)
    child = answering.parameters["properties"]["children"]["items"]
    assert child["properties"]["value"] == {"type": "integer"}
    assert found == {
        "value": 1,
        "children": [{"value": 2, "children": [{"value": 3, "children": [{"value": 4}]}]}],
    }


@pytest.mark.parametrize(
    "offered",
    [plant, tool(plant), StructuredTool.from_function(plant), StructuredTool.from_function(plant, args_schema=None)],
    ids=["function", "tool", "structured", "inferred"],
)
def test_functions_tell_the_types_that_they_take(answering, offered):
    found = arguments(answering, offered, '{"tree": {"value": "1"}, "deep": "2"}')
    tree = answering.parameters["properties"]["tree"]
    assert tree["properties"]["children"]["items"]["properties"]["value"] == {"type": "integer"}
    assert found == {"tree": {"value": 1}, "deep": 2}


def test_a_schema_in_a_dictionary_is_what_a_tool_declares(answering):
    schema = {"type": "object", "properties": {"a": {"enum": ["auto", 1]}, "b": {"type": "string"}}, "required": ["a"]}
    offered = StructuredTool(name="f", description="D", args_schema=schema, func=lambda **given: str(given))
    assert arguments(answering, offered, '{"a": "1", "b": 1e400}') == {"a": 1, "b": "1e400"}
    assert answering.parameters["properties"]["a"] == {"enum": ["auto", 1], "description": "a"}


def test_a_typed_dict_is_what_it_declares(answering):
    found = arguments(answering, Town, '{"name": 1.50, "size": 4, "kind": 2}')
    assert found == {"name": "1.50", "size": 4, "kind": 2}
    assert type(found["size"]) is int


def test_numbers_that_are_no_json_make_a_call_that_cannot_run(answering):
    answering.arguments = '{"a": NaN}'
    offered = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}
    message = model(answering).bind_tools([offered]).invoke("Go")
    assert not message.tool_calls
    [broken] = message.invalid_tool_calls
    assert broken["args"] == '{"a": NaN}'
    answering.arguments = "{}"
    model(answering).bind_tools([offered]).invoke([HumanMessage("Go"), message])
    sent = json.loads(answering.bodies[-1]["messages"][1]["tool_calls"][0]["function"]["arguments"])
    assert sent["invalid_json"] == '{"a": NaN}'


def test_a_history_with_numbers_that_json_does_not_have_is_json(answering):
    call = {"id": "1", "name": "f", "args": {"a": float("nan"), "b": [float("inf")]}}
    history = [HumanMessage("Go"), AIMessage("", tool_calls=[call])]
    model(answering).bind_tools([{"name": "f"}]).invoke(history)
    sent = answering.bodies[-1]["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert sent == '{"a": "NaN", "b": ["Infinity"]}'


class Order(BaseModel):
    """An order."""

    price: Decimal
    size: int | float
    kind: Literal[1, "a"]
    note: Any = None
    tree: Tree | None = None


ORDER = '{"price": 12345678901234567890.12, "size": 4, "kind": "a", "note": "3", "tree": {"value": "1"}}'
DONE = Order(price=Decimal("12345678901234567890.12"), size=4, kind="a", note="3", tree=Tree(value=1))


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_objects_are_what_their_class_declares(stages, method):
    said = Call("Order", ORDER) if method == "function_calling" else ORDER
    llm = stages["hybrid"].cleared().model(said)
    assert llm.with_structured_output(Order, method=method).invoke("Go") == DONE


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_an_object_that_holds_itself_is_asked_for_with_its_children(native_stage, method):
    said = '{"value": 1, "children": [{"value": 2}]}'
    llm = native_stage.model(Call("Tree", said) if method == "function_calling" else said)
    tree = llm.with_structured_output(Tree, method=method).invoke("Go")
    assert tree == Tree(value=1, children=[Tree(value=2)])
    asked = native_stage.asked
    schema = (
        asked["tools"][0]["function"]["parameters"] if "tools" in asked else asked["response_format"]["json_schema"]
    )
    assert schema["properties"]["children"]["items"]["properties"]["value"] == {"type": "integer"}
