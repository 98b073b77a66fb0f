"""Schemas on their way to the service and arguments on their way back mean what they meant."""

import json
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool, ToolMetadata
from pydantic import BaseModel

from cf_llama_emulator.wire.engine_protocol import Call
from llama_index_cf_llama import CloudflareLlama
from tests.answers import SHAPES, Answering
from tests.schemas import OBJECTS, PARAMETERS, identical, valid


class Tree(BaseModel):
    """A tree."""

    value: int
    children: list["Tree"] = []


class Order(BaseModel):
    """An order."""

    price: Decimal
    size: int | float
    kind: Literal[1, "a"]
    note: Any = None
    tree: Tree | None = None


class Declared(ToolMetadata):
    """A tool whose parameters are given as they are, as those of an MCP server."""

    parameters: dict[str, Any] = {}  # noqa: RUF012 - set on each

    def get_parameters_dict(self):
        return self.parameters


def everything(  # noqa: PLR0917 - one for each kind of type
    anything: Any,
    either: int | float,  # noqa: PYI041 - pydantic tells them apart
    one: Literal["auto", 1, 2],
    version: str,
    counts: dict[str, int],
    tenant: str,
    limit: int | None = None,
    surname: str | None = None,
) -> str:
    """Take everything."""
    return f"{tenant} {anything!r} {either!r} {one!r} {version!r} {counts} {limit} {surname!r}"


def plain(**given: Any) -> str:
    """Take anything."""
    return str(given)


def asked(answering, offered, text, *, streamed=False):
    """What comes back of arguments that the model wrote."""
    answering.arguments = text
    llm = CloudflareLlama(account_id="0" * 32, api_token="t", max_retries=0, **answering.clients)
    if streamed:
        [*_, answer] = llm.stream_chat_with_tools([offered], "Go")
    else:
        answer = llm.chat_with_tools([offered], "Go")
    [call] = llm.get_tool_calls_from_response(answer)
    return call.tool_kwargs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_any_schema_reaches_the_service_and_any_value_the_tool(shape, streamed):
    answering = Answering(shape)

    @settings(max_examples=50)
    @given(PARAMETERS, OBJECTS)
    def law(parameters, value):
        metadata = Declared("D", "f")
        metadata.parameters = parameters
        found = asked(answering, FunctionTool(plain, metadata), json.dumps(value), streamed=streamed)
        assert valid(answering.parameters, value) == valid(parameters, value)
        if valid(parameters, value):
            assert identical(value, found)

    law()


WRITTEN = """{"anything": 3, "either": 2.50, "one": 2, "version": 1.10, "counts": {"a": "4"}, "limit": "null",
"surname": "Null"}""".replace("\n", " ")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_arguments_are_read_by_what_the_function_declares(shape, streamed):
    answering = Answering(shape)
    offered = FunctionTool.from_defaults(everything, partial_params={"tenant": "t"})
    found = asked(answering, offered, WRITTEN, streamed=streamed)
    assert offered(**found).raw_output == "t 3 2.5 2 '1.10' {'a': 4} None 'Null'"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_type_that_holds_itself_is_told_with_its_children(shape):
    answering = Answering(shape)
    offered = FunctionTool.from_defaults(plain, fn_schema=Tree)
    found = asked(answering, offered, '{"value": "1", "children": [{"value": "2"}]}')
    assert found == {"value": 1, "children": [{"value": 2}]}
    child = answering.parameters["properties"]["children"]["items"]
    assert child["properties"]["value"] == {"type": "integer"}


ORDER = '{"price": 12345678901234567890.12, "size": 4, "kind": "a", "note": "3", "tree": {"value": "1"}}'
DONE = Order(price=Decimal("12345678901234567890.12"), size=4, kind="a", note="3", tree=Tree(value=1))


@pytest.mark.parametrize("by_schema", [False, True], ids=["call", "schema"])
def test_objects_are_what_their_class_declares(script, by_schema):
    said = ORDER if by_schema else Call("Order", ORDER)
    talk = script(said, shape="hybrid", should_use_structured_outputs=by_schema)
    assert talk.llm.structured_predict(Order, PromptTemplate("Go")) == DONE
    body = talk.bodies[0]
    schema = body["response_format"]["json_schema"] if by_schema else body["tools"][0]["function"]["parameters"]
    tree = next(branch for branch in schema["properties"]["tree"]["anyOf"] if "properties" in branch)
    assert tree["properties"]["children"]["items"]["properties"]["value"] == {"type": "integer"}
