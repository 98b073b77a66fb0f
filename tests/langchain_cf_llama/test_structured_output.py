from __future__ import annotations

import json
import pickle
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1

from cf_llama_emulator.wire.engine_protocol import Call, End, Raw
from langchain_cf_llama import ChatCloudflareLlama, errors
from tests.langchain_cf_llama.support import settings_for

METHODS = ["function_calling", "json_schema", "json_mode"]
CAT = {"name": "Tom", "age": 3}


class Cat(BaseModel):
    """A cat."""

    name: str
    age: int = Field(ge=0)


class CatV1(BaseModelV1):
    """A cat."""

    name: str
    age: int


class CatDict(TypedDict):
    """A cat."""

    name: Annotated[str, ..., "its name"]
    age: Annotated[int, ..., "in years"]


CAT_SCHEMA = {
    "title": "Cat",
    "description": "A cat.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
CAT_FUNCTION = {
    "name": "Cat",
    "description": "A cat.",
    "parameters": {key: CAT_SCHEMA[key] for key in ("type", "properties", "required")},
}
UNTITLED = {key: value for key, value in CAT_SCHEMA.items() if key != "title"}
SCHEMAS = [
    (Cat, Cat(**CAT)),
    (CatV1, CatV1(**CAT)),
    (CatDict, CAT),
    (CAT_SCHEMA, CAT),
    (CAT_FUNCTION, CAT),
]


def answer(method: str, value: Any, name: str = "Cat") -> Any:
    return Call(name, value) if method == "function_calling" else json.dumps(value)


@pytest.mark.parametrize(("schema", "cat"), SCHEMAS, ids=["pydantic", "pydantic v1", "TypedDict", "schema", "function"])
@pytest.mark.parametrize("method", METHODS)
def test_an_answer_is_what_the_schema_says(stage, caller, method, schema, cat):
    said = answer(method, CAT, getattr(schema, "__name__", "Cat"))
    chain = stage.model(said, said).with_structured_output(schema, method=method)

    assert caller.invoke(chain, "a cat") == cat
    assert caller.stream(chain, "a cat") == [cat]
    assert len(stage.bodies) == 2


def test_a_model_with_a_fallback_gives_objects(native_stage, caller):
    llm = native_stage.model(Raw(500, {}, [b"{}"]), Call("Cat", CAT))

    assert caller.invoke(llm.with_fallbacks([llm]).with_structured_output(Cat), "a cat") == Cat(**CAT)
    first, second = native_stage.bodies
    assert first == second


@pytest.mark.parametrize("method", METHODS)
def test_bound_options_are_kept_and_bound_tools_are_not(native_stage, caller, method):
    llm = native_stage.model(answer(method, CAT)).bind(seed=7).bind_tools([CAT_FUNCTION | {"name": "Dog"}])

    assert caller.invoke(llm.with_structured_output(Cat, method=method, strict=True), "a cat") == Cat(**CAT)
    assert native_stage.asked["seed"] == 7
    assert [tool["function"]["name"] for tool in native_stage.asked.get("tools", [])] in (["Cat"], [])


def test_a_call_is_forced_by_its_name(native_stage, caller):
    caller.invoke(native_stage.model(Call("Cat", CAT)).with_structured_output(Cat, strict=True), "a cat")

    (tool,) = native_stage.asked["tools"]
    assert (tool["function"]["name"], tool["function"]["description"]) == ("Cat", "A cat.")
    assert native_stage.asked["tool_choice"] == {"type": "function", "function": {"name": "Cat"}}
    assert "response_format" not in native_stage.asked


def test_a_schema_is_sent_bare(native_stage, caller):
    caller.invoke(native_stage.model(json.dumps(CAT)).with_structured_output(Cat, method="json_schema"), "a cat")

    sent = native_stage.asked["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["type"] == "object"
    assert sent["json_schema"]["required"] == ["name", "age"]
    assert "tools" not in native_stage.asked


def test_json_mode_puts_the_schema_into_words(native_stage, caller):
    caller.invoke(native_stage.model(json.dumps(CAT)).with_structured_output(CAT_SCHEMA, method="json_mode"), "a cat")

    instruction, question = native_stage.asked["messages"]
    assert native_stage.asked["response_format"] == {"type": "json_object"}
    assert instruction["role"] == "system"
    assert json.dumps(CAT_SCHEMA["properties"]) in instruction["content"]
    assert question == {"role": "user", "content": "a cat"}


def test_json_mode_needs_no_schema(native_stage, caller):
    chain = native_stage.model(json.dumps([CAT])).with_structured_output(None, method="json_mode")

    assert caller.invoke(chain, "cats") == [CAT]
    assert len(native_stage.asked["messages"]) == 1


def test_names_are_made_to_fit_the_service(native_stage, caller):
    with_root_title = {**CAT_SCHEMA, "title": "My Cat (black)"}
    chain = native_stage.model(Call("My_Cat_black_", CAT)).with_structured_output(with_root_title)

    assert caller.invoke(chain, "a cat") == CAT


def test_a_schema_needs_no_title(native_stage, caller):
    assert caller.invoke(native_stage.model(Call("answer", CAT)).with_structured_output(UNTITLED), "a cat") == CAT


@pytest.mark.parametrize(
    "text", [f"```json\n{json.dumps(CAT)}\n```", f"Here it is: {json.dumps(CAT)} Enjoy!", f" {json.dumps(CAT)}\n"]
)
def test_json_may_come_dressed_up(native_stage, caller, text):
    assert caller.invoke(native_stage.model(text).with_structured_output(Cat, method="json_mode"), "a cat") == Cat(
        **CAT
    )


def test_a_prompt_may_lead_to_it(native_stage, caller):
    prompt = ChatPromptTemplate.from_messages([("system", "be good"), ("human", "{animal}")])
    chain = prompt | native_stage.model(Call("Cat", CAT)).with_structured_output(Cat)

    assert caller.invoke(chain, {"animal": "a cat"}) == Cat(**CAT)
    assert [turn["content"] for turn in native_stage.asked["messages"]] == ["be good", "a cat"]


def test_settings_can_be_changed_for_one_call(native_stage, caller):
    chain = native_stage.model(Call("Cat", {}), Call("Cat", CAT)).with_structured_output(Cat)

    assert caller.invoke(chain, "a cat", temperature=1.5) == Cat(**CAT)
    assert [body["temperature"] for body in native_stage.bodies] == [1.5, 1.5]


# --- when the answer does not fit

MISFITS = {
    "json_mode": ["a cat named Tom", '{"name": "Tom"}', '{"name": "Tom", "age": "old"}', '{"name": "Tom", "ag', "[]"],
    "json_schema": ["I would rather not.", '{"name": "Tom"}'],
    "function_calling": [Call("Cat", {"name": "Tom"}), Call("Cat", '{"name": "Tom", "age": ')],
}
CASES = [(method, misfit) for method, misfits in MISFITS.items() for misfit in misfits]


@pytest.mark.parametrize(("method", "misfit"), CASES)
def test_a_misfit_is_asked_for_once_more(stage, caller, method, misfit):
    chain = stage.model(misfit, answer(method, CAT)).with_structured_output(Cat, method=method)

    assert caller.invoke(chain, "a cat") == Cat(**CAT)

    *_, question, said, complaint = stage.asked["messages"]
    assert question["content"] == "a cat"
    assert said["role"] == "assistant"
    assert "does not fit" in complaint["content"]
    if method == "function_calling":
        assert complaint["tool_call_id"] == said["tool_calls"][0]["id"]


@pytest.mark.parametrize(("method", "misfit"), CASES)
def test_a_second_misfit_is_an_error_and_never_none(stage, caller, method, misfit):
    llm = stage.model(*[misfit] * 4)

    with pytest.raises(OutputParserException):
        caller.invoke(llm.with_structured_output(Cat, method=method), "a cat")
    told = caller.invoke(llm.with_structured_output(Cat, method=method, include_raw=True), "a cat")

    assert isinstance(told["parsing_error"], OutputParserException)
    assert told["parsed"] is None
    assert told["raw"].content or told["raw"].tool_calls or told["raw"].invalid_tool_calls
    assert len(stage.bodies) == 4


@pytest.mark.parametrize("schema", [CatDict, CAT_SCHEMA, CAT_FUNCTION])
def test_a_dict_is_given_as_it_is_and_its_caller_judges_it(native_stage, caller, schema):
    chain = native_stage.model('{"name": "Tom"}').with_structured_output(schema, method="json_mode")

    assert caller.invoke(chain, "a cat") == {"name": "Tom"}


@pytest.mark.parametrize("schema", [CatDict, CAT_SCHEMA, Cat])
@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_a_chain_to_an_object_travels_without_its_account(native_stage, caller, monkeypatch, schema, method):
    name = schema["title"] if isinstance(schema, dict) else schema.__name__
    answer = Call(name, CAT) if method == "function_calling" else json.dumps(CAT)
    chain = pickle.loads(pickle.dumps(native_stage.model(answer).with_structured_output(schema, method=method)))
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", native_stage.emulator.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", native_stage.emulator.api_token)

    told = caller.invoke(chain, "a cat")
    assert (told if isinstance(told, dict) else told.model_dump()) == CAT


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2), (3, 4)])
def test_how_often_an_answer_that_does_not_fit_is_asked_for_again(native_stage, caller, retries, asked):
    llm = native_stage.model(*['{"name": "Tom"}'] * asked)

    with pytest.raises(OutputParserException, match="age"):
        caller.invoke(llm.with_structured_output(Cat, method="json_schema", output_retries=retries), "a cat")
    assert len(native_stage.bodies) == asked


def test_in_a_batch_each_input_is_corrected_or_fails_by_itself(native_stage, caller):
    chain = native_stage.model("{}", json.dumps(CAT), json.dumps(CAT)).with_structured_output(Cat, method="json_schema")

    one_at_a_time = {"max_concurrency": 1}  # as the script has its turns
    cats = caller.call(chain, "batch", ["a cat", 5, "a tomcat"], one_at_a_time, return_exceptions=True)

    assert (cats[0], cats[2]) == (Cat(**CAT), Cat(**CAT))
    assert isinstance(cats[1], ValueError)
    assert [body["messages"][0]["content"] for body in native_stage.bodies] == ["a cat", "a tomcat", "a cat"]
    assert "does not fit" in native_stage.asked["messages"][-1]["content"]


def test_none_stands_for_one_retry(native_stage, caller):
    chain = native_stage.model("{}", json.dumps(CAT)).with_structured_output(
        Cat, method="json_schema", output_retries=None, tools=None
    )

    assert caller.invoke(chain, "a cat") == Cat(**CAT)


def test_the_usage_of_all_attempts_is_told(native_stage, caller):
    llm = native_stage.model('{"name": "Tom"}', json.dumps(CAT), json.dumps(CAT))
    chain = llm.with_structured_output(Cat, method="json_schema", include_raw=True)

    twice = caller.invoke(chain, "a cat")["raw"].usage_metadata
    once = caller.invoke(chain, "a cat")["raw"].usage_metadata

    assert twice["input_tokens"] > 2 * once["input_tokens"], "the second question holds the first answer"
    assert twice["total_tokens"] == twice["input_tokens"] + twice["output_tokens"]


def test_tools_go_with_an_agent_and_not_with_a_schema(native_stage):
    with pytest.raises(ValueError, match=r"create_agent\(llm, tools, response_format=schema\)"):
        native_stage.model().with_structured_output(Cat, tools=[len])


def test_a_class_may_be_the_response_format(native_stage, caller):
    llm = native_stage.model(json.dumps(CAT))

    caller.invoke(llm.bind(response_format=Cat), "a cat")
    assert native_stage.asked["response_format"]["json_schema"]["properties"].keys() == CAT.keys()


def test_prose_in_place_of_a_forced_call_is_an_error(stage, caller):
    llm = stage.model(*["I would rather not."] * 4)

    with pytest.raises(errors.ToolChoiceError):
        caller.invoke(llm.with_structured_output(Cat), "a cat")
    told = caller.invoke(llm.with_structured_output(Cat, include_raw=True), "a cat")

    assert isinstance(told["parsing_error"], errors.ToolChoiceError)
    assert (told["raw"].content, told["parsed"]) == ("I would rather not.", None)


def test_an_answer_cut_off_is_not_completed(native_stage, caller):
    cut = ['{"name": "Tom", "age": 1', End("length", 10, 2048)]
    llm = native_stage.model(cut, cut)

    with pytest.raises(OutputParserException, match="cut off at max_tokens"):
        caller.invoke(llm.with_structured_output(Cat, method="json_mode"), "a cat")


@pytest.mark.parametrize("method", METHODS)
def test_the_raw_answer_comes_along(stage, caller, method):
    chain = stage.model(answer(method, CAT)).with_structured_output(Cat, method=method, include_raw=True)

    told = caller.invoke(chain, "a cat")

    assert (told["parsed"], told["parsing_error"]) == (Cat(**CAT), None)
    assert told["raw"].usage_metadata["total_tokens"] > 0


# --- how it is asked for

WRONG = [
    ({"schema": Cat, "method": "xml"}, "method must be one of"),
    ({"schema": None}, "schema must be given"),
    ({"schema": Cat, "shema": Cat}, "does not know shema"),
    ({"schema": Cat, "output_retries": -1}, "output_retries must be 0 or more, not -1"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_what_cannot_be_asked_for_is_refused_at_once(native_stage, arguments, words):
    with pytest.raises(ValueError, match=words):
        native_stage.model().with_structured_output(**arguments)


async def test_the_call_within_is_seen_by_callbacks(native_stage):
    chain = native_stage.model(Call("Cat", CAT)).with_structured_output(Cat)

    events = [event async for event in chain.astream_events([HumanMessage("a cat")], version="v2")]

    assert "on_chat_model_start" in {event["event"] for event in events}


class Joke(BaseModel):
    """Joke to tell user."""

    setup: str = Field(description="question to set up a joke")
    punchline: str = Field(description="answer to resolve the joke")


@pytest.mark.parametrize("method", METHODS)
def test_the_questions_of_langchains_suite_get_a_joke(request, shape, caller, method):
    """The suite itself asks them and does not look at what it is given."""
    llm = ChatCloudflareLlama(**settings_for(request.getfixturevalue(shape)))

    joke = caller.invoke(llm.with_structured_output(Joke, method=method), "Tell me a joke about cats.")

    assert isinstance(joke, Joke)
    assert joke.setup
    assert joke.punchline
