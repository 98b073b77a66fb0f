"""Objects as answers, by a forced call and by the JSON schema."""

import json
import pickle
from datetime import date
from typing import Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.program import FunctionCallingProgram, LLMTextCompletionProgram
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ConfigDict, Field

from cf_llama import JSONModeError, ToolChoiceError
from cf_llama_emulator.wire.engine_protocol import Call, End, Text
from cf_llama_emulator.wire.errors import ServiceError


class Track(BaseModel):
    title: str
    seconds: int | None = None


class Album(BaseModel):
    """An album and its tracks."""

    name: str = Field(description="Its name")
    artist: str | None = None
    tracks: list[Track]


PROMPT = PromptTemplate("Name an album about {topic}.")
ALBUM = Album(name="Tides", tracks=[Track(title="Ebb", seconds=200), Track(title="Flow")])
WRITTEN = {"name": "Tides", "artist": None, "tracks": [{"title": "Ebb", "seconds": "200"}, {"title": "Flow"}]}
JSON = json.dumps(WRITTEN | {"tracks": [{"title": "Ebb", "seconds": 200}, {"title": "Flow"}]})
BOTH = pytest.mark.parametrize("by_schema", [False, True], ids=["call", "schema"])


def answer(by_schema):
    return JSON if by_schema else [Call("Album", WRITTEN)]


@BOTH
async def test_predicts_nested_objects(script, shape, caller, by_schema):
    talk = script(answer(by_schema), shape=shape, should_use_structured_outputs=by_schema)
    assert await caller.call(talk.llm, "structured_predict", Album, PROMPT, topic="water") == ALBUM
    [body] = talk.bodies
    assert body["messages"] == [{"role": "user", "content": "Name an album about water."}]
    if by_schema:
        assert body["response_format"]["json_schema"]["required"] == ["name", "tracks"]
        assert "$ref" not in json.dumps(body)
        assert "tools" not in body
    else:
        assert body["tool_choice"] == {"type": "function", "function": {"name": "Album"}}
        assert "response_format" not in body


async def test_json_may_come_dressed_up(script, caller):
    talk = script(f"Here it is:\n```json\n{JSON}\n```", should_use_structured_outputs=True)
    assert await caller.call(talk.llm, "structured_predict", Album, PROMPT, topic="water") == ALBUM


@BOTH
async def test_a_streamed_object_comes_whole(script, shape, caller, by_schema):
    talk = script(answer(by_schema), shape=shape, should_use_structured_outputs=by_schema)
    objects = await caller.items(talk.llm, "stream_structured_predict", Album, PROMPT, topic="water")
    assert objects == [ALBUM]
    [body] = talk.bodies
    assert "stream" not in body
    assert body.get("tool_choice") == (None if by_schema else {"type": "function", "function": {"name": "Album"}})


@BOTH
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # LlamaIndex's structured model calls it
async def test_structured_models(script, caller, by_schema):
    talk = script(*[answer(by_schema)] * 3, should_use_structured_outputs=by_schema)
    structured = talk.llm.as_structured_llm(Album)
    question = [ChatMessage(role="user", content='An album, as in {"name": ...}')]
    chat = await caller.call(structured, "chat", question)
    assert chat.raw == ALBUM
    assert Album.model_validate_json(chat.message.content) == ALBUM
    assert (await caller.call(structured, "complete", "An album")).raw == ALBUM
    assert talk.bodies[0]["messages"] == [{"role": "user", "content": 'An album, as in {"name": ...}'}]
    if caller.asynchronous:
        last = [item async for item in await structured.astream_chat(question)][-1]
        assert last.raw == ALBUM


@BOTH
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_the_system_prompt_is_sent_once_in_each_way(script, caller, by_schema, method):
    talk = script(answer(by_schema), should_use_structured_outputs=by_schema, system_prompt="Love music.")
    ask = caller.items if method.startswith("stream") else caller.call
    await ask(talk.llm, method, Album, PROMPT, topic="water")
    assert talk.bodies[0]["messages"] == [
        {"role": "system", "content": "Love music."},
        {"role": "user", "content": "Name an album about water."},
    ]


@BOTH
async def test_braces_in_a_prompt_stay(script, caller, by_schema):
    talk = script(answer(by_schema), should_use_structured_outputs=by_schema)
    prompt = ChatPromptTemplate([ChatMessage(role="user", content='Like {example}: {"a": {"b": 1}}')])
    await caller.call(talk.llm, "structured_predict", Album, prompt, example="{topic}")
    assert talk.bodies[0]["messages"][0]["content"] == 'Like {topic}: {"a": {"b": 1}}'


@BOTH
async def test_settings_for_one_call_pass_through(script, caller, by_schema):
    talk = script(*[answer(by_schema)] * 2, should_use_structured_outputs=by_schema)
    given = {"temperature": 0.5, "tool_choice": "auto"}
    await caller.call(talk.llm, "structured_predict", Album, PROMPT, llm_kwargs=given, topic="water")
    await caller.items(talk.llm, "stream_structured_predict", Album, PROMPT, llm_kwargs=given, topic="water")
    assert [body["temperature"] for body in talk.bodies] == [0.5, 0.5]
    assert given == {"temperature": 0.5, "tool_choice": "auto"}


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_prose_instead_of_a_call_is_an_error(script, caller, method):
    talk = script("Tides, I think.", "Yes, Tides.")
    ask = caller.items if method.startswith("stream") else caller.call
    with pytest.raises(ToolChoiceError, match="forced a call of Album") as caught:
        await ask(talk.llm, method, Album, PROMPT, topic="water")
    assert isinstance(caught.value, ValueError)
    assert caught.value.partial.text == "Yes, Tides."
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_a_schema_that_the_model_cannot_meet_is_an_error_of_the_value(script, caller, method):
    talk = script(ServiceError(400, 5024, "JSON Mode couldn't be met"), should_use_structured_outputs=True)
    ask = caller.items if method.startswith("stream") else caller.call
    with pytest.raises(JSONModeError) as caught:
        await ask(talk.llm, method, Album, PROMPT, topic="water")
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == 5024


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
@pytest.mark.parametrize(
    ("by_schema", "wrong", "reason"),
    [
        (False, [Call("Album", {"name": "Tides"})], "tracks"),
        (True, '{"name": "Tides"}', "no Album.*\n.*tracks"),
        (True, [Text('{"name": "Ti'), End("length")], "max_tokens was too small"),
    ],
    ids=["call", "schema", "cut off"],
)
async def test_half_an_object_is_an_error(script, caller, method, by_schema, wrong, reason):  # noqa: PLR0917 - fixtures
    talk = script(wrong, shape="hybrid", should_use_structured_outputs=by_schema)
    ask = caller.items if method.startswith("stream") else caller.call
    with pytest.raises(ValueError, match=rf"(?s){reason}"):
        await ask(talk.llm, method, Album, PROMPT, topic="water")


class Wish(BaseModel):
    """Nothing is required."""

    caller: str | None = None
    size: int | None = None


async def test_broken_arguments_are_no_object_even_where_all_fields_may_be_missing(script, caller):
    talk = script([Call("Wish", '{"caller": "re')], shape="hybrid")
    with pytest.raises(ValueError, match=r"no Wish.*\n.*Invalid JSON"):
        await caller.call(talk.llm, "structured_predict", Wish, PROMPT, topic="water")


class Dated(BaseModel):
    """Takes no text for a date."""

    model_config = ConfigDict(strict=True)

    day: date


async def test_strict_classes_take_what_json_can_say(script, caller):
    talk = script([Call("Dated", {"day": "2026-11-25"})])
    assert (await caller.call(talk.llm, "structured_predict", Dated, PROMPT, topic="water")).day == date(2026, 11, 25)


Kind = TypeVar("Kind")


class Page(BaseModel, Generic[Kind]):
    """Some of many."""

    items: list[Kind]


async def test_a_class_may_have_any_name(script, caller):
    talk = script([Call("Page_int_", {"items": [1, "2"]})])
    assert (await caller.call(talk.llm, "structured_predict", Page[int], PROMPT, topic="water")).items == [1, 2]
    assert talk.bodies[0]["tools"][0]["function"]["name"] == "Page_int_"


@BOTH
async def test_start_and_end_are_told(script, caller, events, by_schema):
    talk = script(answer(by_schema), should_use_structured_outputs=by_schema)
    await caller.call(talk.llm, "structured_predict", Album, PROMPT, topic="water")
    kinds = (LLMStructuredPredictStartEvent, LLMStructuredPredictEndEvent)
    assert [type(event) for event in events if isinstance(event, kinds)] == [*kinds]


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_text_mode_goes_its_own_way(script, caller, method):
    fields = {"pydantic_program_mode": PydanticProgramMode.LLM, "should_use_structured_outputs": True}
    talk = script(JSON, shape="hybrid", **fields)  # in native streams a token `null` is lost
    ask = caller.items if method.startswith("stream") else caller.call
    result = await ask(talk.llm, method, Album, PROMPT, topic="water")
    assert (result[-1] if isinstance(result, list) else result) == ALBUM
    assert talk.bodies[0].keys() & {"tools", "response_format"} == set()


async def test_function_mode_calls_even_where_the_schema_is_preferred(script, caller):
    talk = script(answer(False), pydantic_program_mode=PydanticProgramMode.FUNCTION, should_use_structured_outputs=True)
    assert await caller.call(talk.llm, "structured_predict", Album, PROMPT, topic="water") == ALBUM
    assert "tools" in talk.bodies[0]


async def test_programs_of_llama_index(script):
    talk = script(answer(False), [Call("Album", WRITTEN)] * 2, JSON)
    text = "Albums about {topic}."
    calling = FunctionCallingProgram.from_defaults(Album, text, llm=talk.llm)
    assert calling(topic="water") == ALBUM
    several = FunctionCallingProgram.from_defaults(Album, text, llm=talk.llm, allow_parallel_tool_calls=True)
    assert await several.acall(topic="water") == [ALBUM, ALBUM]
    assert LLMTextCompletionProgram.from_defaults(output_cls=Album, prompt_template_str=text, llm=talk.llm)() == ALBUM
