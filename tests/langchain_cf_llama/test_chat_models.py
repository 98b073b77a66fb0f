from __future__ import annotations

import asyncio
import json
from typing import Annotated, TypedDict

import httpx
import httpx2
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, message_chunk_to_message
from langchain_core.tools import tool
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1
from pydantic.v1 import Field as FieldV1

from cf_llama.protocol.model import MODEL
from cf_llama_emulator.wire.engine_protocol import Call, End, Faults, Raw, Text
from langchain_cf_llama import ChatCloudflareLlama, errors
from langchain_cf_llama.invalid_tool_calls import MARK
from tests.langchain_cf_llama.support import Async, Sync, folded

OTHER_MODEL = "@cf/meta/llama-3.1-8b-instruct"
CALLS = [Call("add", {"a": 1, "b": 2}), Call("add", {"a": 3, "b": 4})]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


class Adding(BaseModel):
    """Add two numbers."""

    a: int = Field(description="the first")
    b: int = Field(description="the second")


class AddingV1(BaseModelV1):
    """Add two numbers."""

    a: int = FieldV1(description="the first")
    b: int = FieldV1(description="the second")


class AddingDict(TypedDict):
    """Add two numbers."""

    a: Annotated[int, ..., "the first"]
    b: Annotated[int, ..., "the second"]


def adding(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b


PARAMETERS = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "description": "the first"},
        "b": {"type": "integer", "description": "the second"},
    },
    "required": ["a", "b"],
}
FLAT = {"name": "adding", "description": "Add two numbers.", "parameters": PARAMETERS}
ANTHROPIC = {"name": "adding", "description": "Add two numbers.", "input_schema": PARAMETERS}
TITLED = {"title": "adding", "description": "Add two numbers.", **PARAMETERS}


# --- what is asked


def test_a_question_goes_out_with_its_settings(native_stage, caller):
    llm = native_stage.model("Yes.", temperature=0.5, top_k=3)

    caller.invoke(llm, [("system", "be good"), ("human", "hello")])

    assert native_stage.asked == {
        "messages": [{"role": "system", "content": "be good"}, {"role": "user", "content": "hello"}],
        "max_tokens": 2048,
        "temperature": 0.5,
        "top_k": 3,
    }


def test_every_setting_can_be_changed_for_one_call(native_stage, caller):
    llm = native_stage.model("Yes.", "Yes.", temperature=0.5)
    changed = {"temperature": 1.5, "top_p": 0.5, "top_k": 2, "seed": 7, "max_tokens": 9, "lora": "mine"}
    changed |= {"repetition_penalty": 1.1, "frequency_penalty": 0.1, "presence_penalty": 0.2}

    caller.invoke(llm, "hello", **changed, reject_if_busy=True, session_id="s1", gateway="g", model=OTHER_MODEL)
    caller.invoke(llm, "hello")

    first, second = native_stage.emulator.requests
    assert first.body == {
        "messages": [{"role": "user", "content": "hello"}],
        **changed,
        "options": {"rejectIfBusy": True},
    }
    assert first.path.endswith(OTHER_MODEL)
    assert (first.headers["x-session-affinity"], first.headers["cf-aig-gateway-id"]) == ("s1", "g")
    assert second.path.endswith(MODEL)
    assert second.body == {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2048, "temperature": 0.5}
    assert "x-session-affinity" not in second.headers


def test_options_of_langchain_are_not_sent(native_stage, caller):
    llm = native_stage.model("Yes.")

    caller.invoke(llm, "hello", stream=False, ls_structured_output_format=None)

    assert native_stage.asked.keys() == {"messages", "max_tokens"}


def test_an_answer_ends_where_it_is_told_to(stage, caller):
    llm = stage.model("one two three", "one two three", "one two three", stop=["three"])

    assert caller.invoke(llm, "count").content == "one two "
    assert caller.invoke(llm, "count", stop=["two"]).content == "one "
    assert folded(caller.stream(llm, "count", stop=["two"])).content == "one "
    assert "stop" not in stage.asked


# --- tools


@pytest.mark.parametrize("form", [Adding, AddingV1, AddingDict, adding, FLAT, ANTHROPIC, TITLED])
def test_every_form_of_a_tool_becomes_the_one_of_the_service(native_stage, caller, form):
    llm = native_stage.model("Yes.").bind_tools([form])

    caller.invoke(llm, "hello")

    (sent,) = native_stage.asked["tools"]
    name = getattr(form, "__name__", "adding")
    assert sent == {
        "type": "function",
        "function": {"name": name, "description": "Add two numbers.", "parameters": PARAMETERS},
    }


def test_tools_can_be_given_without_binding_them(native_stage, caller):
    caller.invoke(native_stage.model("Yes."), "hello", tools=[add, FLAT])

    assert [sent["function"]["name"] for sent in native_stage.asked["tools"]] == ["add", "adding"]


@pytest.mark.parametrize("thing", [7, {"type": "object"}, {"type": "web_search"}])
def test_what_is_no_tool_is_refused(native_stage, thing):
    with pytest.raises(errors.InvalidRequestError, match="tool"):
        native_stage.model().bind_tools([add, thing])


def test_a_schema_keeps_its_meaning_in_the_form_of_the_service(native_stage, caller):
    class Street(BaseModel):
        name: str

    class Move(BaseModel):
        to: Street
        by: Annotated[str | None, Field(description="who carries")] = None

    caller.invoke(native_stage.model("Yes.").bind_tools([Move, now]), "hello")

    move, nothing = (sent["function"] for sent in native_stage.asked["tools"])
    assert move["parameters"]["properties"]["to"]["properties"]["name"]["type"] == "string"
    assert move["parameters"]["properties"]["by"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert move["parameters"]["required"] == ["to"]
    assert nothing["parameters"] == {"type": "object", "properties": {}}
    assert not {"$ref", "$defs"} & set(json.dumps(move).replace('"', " ").split())


NAMED = {"type": "function", "function": {"name": "add"}}
CHOICES = [
    (None, None),
    ("auto", "auto"),
    ("any", NAMED),
    ("required", NAMED),
    (True, NAMED),
    ("add", NAMED),
    (NAMED, NAMED),
]


@pytest.mark.parametrize(("choice", "sent"), CHOICES)
def test_a_choice_of_tools_has_many_spellings(native_stage, caller, choice, sent):
    llm = native_stage.model(Call("add", {"a": 1, "b": 2})).bind_tools([add], tool_choice=choice)

    caller.invoke(llm, "hello")

    assert native_stage.asked.get("tool_choice") == sent


def test_tools_are_bound_beside_other_options_and_in_place_of_other_tools(native_stage, caller):
    llm = native_stage.model("Yes.").bind(seed=7).bind_tools([adding], tool_choice="any")

    caller.invoke(llm.bind_tools([add]), "hello")

    assert [tool["function"]["name"] for tool in native_stage.asked["tools"]] == ["add"]
    assert native_stage.asked["seed"] == 7
    assert "tool_choice" not in native_stage.asked


def test_no_tool_may_be_chosen(native_stage, caller):
    caller.invoke(native_stage.model("Yes.").bind_tools([add], tool_choice="none"), "hello")

    assert not {"tools", "tool_choice"} & native_stage.asked.keys()


def test_some_call_can_be_forced_among_several_tools(native_stage, caller):
    caller.invoke(native_stage.model(Call("adding", {})).bind_tools([add, adding], tool_choice="any"), "hello")

    assert native_stage.asked["tool_choice"] == "required"


@pytest.mark.parametrize("choice", ["subtract", {"type": "function", "function": {"name": "subtract"}}])
def test_a_choice_of_no_tool_that_is_offered_is_refused(native_stage, choice):
    with pytest.raises(errors.InvalidRequestError, match=r"'subtract'.*add"):
        native_stage.model().bind_tools([add], tool_choice=choice)


def test_no_tools_are_no_tools(native_stage, caller):
    caller.invoke(native_stage.model("Yes.").bind_tools([], tool_choice=None, strict=True), "hello")

    assert native_stage.asked.keys() == {"messages", "max_tokens"}


@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_a_forced_call_is_asked_for_once_more_and_then_reported(stage, caller, method):
    llm = stage.model("I would rather not.", "No.").bind_tools([add], tool_choice="any")

    with pytest.raises(errors.ToolChoiceError, match="add") as caught:
        getattr(caller, method)(llm, "hello")

    assert len(stage.bodies) == 2
    assert caught.value.partial.text == "No."


def test_a_forced_call_that_comes_the_second_time_is_given(stage, caller):
    llm = stage.model("I would rather not.", CALLS[:1]).bind_tools([add], tool_choice="any")

    assert caller.invoke(llm, "hello").tool_calls[0]["args"] == {"a": 1, "b": 2}


def test_only_one_call_is_kept_where_only_one_is_wanted(stage, caller):
    llm = stage.model(CALLS).bind_tools([add], parallel_tool_calls=False)

    assert len(caller.invoke(llm, "hello").tool_calls) == 1
    assert "parallel_tool_calls" not in stage.asked


def test_arguments_have_the_types_of_the_schema(stage, caller):
    llm = stage.model(Call("add", {"a": "1", "b": 2.0})).bind_tools([add])

    (call,) = caller.invoke(llm, "hello").tool_calls

    assert repr(call["args"]) == "{'a': 1, 'b': 2}"


def test_a_call_and_its_result_come_back_in_the_history(stage, caller):
    llm = stage.model([Text("One moment."), *CALLS], "3 and 7").bind_tools([add])
    question = HumanMessage("add")

    answer = caller.invoke(llm, [question])
    results = [add.invoke(call) for call in answer.tool_calls]
    caller.invoke(llm, [question, answer, *results])

    first, second = answer.tool_calls
    assert first["id"] != second["id"]
    _, said, *told = stage.asked["messages"]
    assert said["content"] == "One moment."
    assert [call["id"] for call in said["tool_calls"]] == [first["id"], second["id"]]
    assert [json.loads(call["function"]["arguments"]) for call in said["tool_calls"]] == [first["args"], second["args"]]
    assert [(turn["role"], turn["tool_call_id"], turn["content"]) for turn in told] == [
        ("tool", first["id"], "3"),
        ("tool", second["id"], "7"),
    ]


# --- what comes back, whole and in pieces

ANSWERS = {
    "text": ["Hello", " there", "."],
    "numbers": ["It is ", "7", ".", "0", " degrees"],
    "calls": CALLS,
    "text and calls": [Text("One moment."), *CALLS],
    "broken": [Call("add", '{"a": 1, "b": ')],
    "broken beside whole": [Call("add", '{"a": 1, "b": '), CALLS[1]],
    "nothing": [End()],
    "cut off": ["and so on", End("length", 4, 2048)],
}


def without_ids(message: AIMessage) -> dict:
    told = message_chunk_to_message(message).model_dump() | {"id": None}
    told["response_metadata"] = {
        name: value
        for name, value in told["response_metadata"].items()
        if name not in {"ray_id", "request_id", "neurons"}  # its rounded copy in the headers does not come with streams
    }
    for call in told["tool_calls"] + told["invalid_tool_calls"]:
        assert call.pop("id")
    for call in told["invalid_tool_calls"]:
        call |= {"args": call["args"].removeprefix(MARK), "error": None}  # what chunks cannot carry
    return told


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_all_four_ways_give_the_same_message(stage, answer):
    llm = stage.model(*[answer] * 4).bind_tools([add])

    messages = [Sync().invoke(llm, "hi"), Async().invoke(llm, "hi")]
    messages += [folded(Sync().stream(llm, "hi")), folded(Async().stream(llm, "hi"))]

    first, *others = map(without_ids, messages)
    assert others == [first] * 3


def test_broken_arguments_are_an_invalid_call_and_never_a_call(stage, caller):
    llm = stage.model(*[ANSWERS["broken"]] * 2).bind_tools([add])

    whole, added = caller.invoke(llm, "hi"), folded(caller.stream(llm, "hi"))

    assert whole.tool_calls == added.tool_calls == []
    assert [call["args"] for call in whole.invalid_tool_calls] == ['{"a": 1, "b": ']
    assert "not valid JSON" in whole.invalid_tool_calls[0]["error"]
    assert [call["args"] for call in added.invalid_tool_calls] == [MARK + '{"a": 1, "b": ']


def test_an_answer_that_was_cut_off_says_so(stage, caller):
    llm = stage.model("one two three four five six seven eight", max_tokens=3)

    assert caller.invoke(llm, "count").response_metadata["finish_reason"] == "length"


def test_a_stream_comes_piece_by_piece(stage, caller):
    llm = stage.model(["Hello", " there", "."])

    assert [chunk.content for chunk in caller.stream(llm, "hi")] == ["Hello", " there", ".", ""]


@pytest.mark.parametrize("answer", [[Text("One moment."), *CALLS], CALLS], ids=["text first", "calls alone"])
def test_v1_content_keeps_text_and_calls_apart(stage, caller, answer):
    llm = stage.model(answer, answer, output_version="v1").bind_tools([add])
    text = [Text("One moment.").text] if len(answer) > len(CALLS) else []

    for message in (caller.invoke(llm, "hi"), folded(caller.stream(llm, "hi"))):
        blocks = message.content_blocks
        assert [block["text"] for block in blocks if block["type"] == "text"] == text
        assert [block["args"] for block in blocks if block["type"] == "tool_call"] == [
            {"a": 1, "b": 2},
            {"a": 3, "b": 4},
        ]


def test_text_and_two_calls_are_a_valid_stream_of_v3_events(stage):
    llm = stage.model([Text("One moment."), *CALLS]).bind_tools([add])

    events = list(llm.stream_events("hi", version="v3"))

    assert_valid_event_stream(events)
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert [block["type"] for block in finished] == ["text", "tool_call", "tool_call"]
    assert events[0]["metadata"]["provider"] == "cloudflare-workers-ai"


async def test_text_and_two_calls_are_a_valid_stream_of_v3_events_async(stage):
    llm = stage.model([Text("One moment."), *CALLS]).bind_tools([add])

    events = [event async for event in await llm.astream_events("hi", version="v3")]

    assert_valid_event_stream(events)


async def test_v2_events_carry_the_whole_message(stage):
    llm = stage.model([Text("One moment."), *CALLS]).bind_tools([add])

    events = [event async for event in llm.astream_events("hi", version="v2")]

    assert events[-1]["event"] == "on_chat_model_end"
    output = events[-1]["data"]["output"]
    assert (output.content, len(output.tool_calls)) == ("One moment.", 2)
    assert output.usage_metadata["total_tokens"] > 0


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.starts: list[dict] = []
        self.failures: list[BaseException] = []

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self.starts.append(kwargs)

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)

    def on_llm_error(self, error, **kwargs):
        self.failures.append(error)


def test_each_token_is_reported_once(stage, caller):
    llm, tokens = stage.model(["Hello", " there"], ["Hello", " there"], streaming=True), Tokens()

    caller.invoke(llm, "hi", {"callbacks": [tokens]})
    assert tokens.tokens == ["Hello", " there", ""]

    caller.stream(llm, "hi", {"callbacks": [tokens]})
    assert tokens.tokens == ["Hello", " there", ""] * 2


@pytest.mark.parametrize(
    "settings", [{"disable_streaming": True}, {"streaming": False}, {"disable_streaming": "tool_calling"}]
)
def test_streaming_can_be_switched_off(stage, caller, settings):
    llm = stage.model(CALLS, **settings).bind_tools([add])

    (chunk,) = caller.stream(llm, "hi")

    assert len(chunk.tool_calls) == 2
    assert "stream" not in stage.asked


def test_what_came_before_a_stream_broke_is_not_lost(native_stage, caller):
    broken = Raw(
        chunks=[b'data: {"response": "Hello"}\n\n', b'data: {"errors": [{"code": 3043, "message": "gone"}]}\n\n']
    )
    llm, seen = native_stage.model(broken), Tokens()

    with pytest.raises(errors.StreamInterruptedError, match="gone") as caught:
        caller.stream(llm, "hi", {"callbacks": [seen]})

    assert caught.value.partial.text == "Hello"
    assert (seen.tokens, seen.failures) == (["Hello"], [caught.value])


def test_a_stream_can_be_left_early(native_stage):
    llm = native_stage.model("one two three", "Yes.")

    stream = llm.stream("count")
    next(stream)
    stream.close()

    assert llm.invoke("hi").content == "Yes."


async def test_an_async_stream_can_be_left_early(native_stage):
    llm = native_stage.model("one two three", "Yes.")

    stream = llm.astream("count")
    await anext(stream)
    await stream.aclose()

    assert (await llm.ainvoke("hi")).content == "Yes."


# --- around it


def test_many_questions_are_answered_in_their_order(llm, caller):
    answers = caller.call(llm, "batch", ["one", "two", "three"], {"max_concurrency": 2})

    assert [answer.content for answer in answers] == ["You said: one", "You said: two", "You said: three"]


def test_several_questions_in_one_generate_count_their_tokens_each(llm, caller):
    result = caller.call(llm, "generate", [[HumanMessage("one")], [HumanMessage("two and three")]])

    assert all(generation.message.usage_metadata["total_tokens"] for (generation,) in result.generations)


def test_json_asked_for_in_a_stream_comes_whole(stage, caller):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wrapped = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    llm = stage.model('{"a": 1}').bind(response_format=wrapped)

    assert json.loads(folded(caller.stream(llm, "hi")).content) == {"a": 1}
    assert stage.asked["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert "stream" not in stage.asked


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_own_clients_are_used_and_left_open(native_stage, library):
    seen: list[str] = []

    async def note(request) -> None:
        seen.append("async")

    with library.Client(event_hooks={"request": [lambda request: seen.append("sync")]}) as client:
        own = library.AsyncClient(event_hooks={"request": [note]})
        llm = native_stage.model("Yes.", "Yes.", http_client=client, http_async_client=own)

        llm.invoke("hi")
        asyncio.run(closing_after(llm, own))

        assert seen == ["sync", "async"]
        assert not client.is_closed


async def closing_after(llm, client) -> None:
    async with client:
        await llm.ainvoke("hi")
        assert not client.is_closed


def test_one_model_serves_several_event_loops(llm):
    assert [asyncio.run(llm.ainvoke("hi")).content for _ in range(3)] == ["You said: hi"] * 3


def test_tokens_are_counted_with_tools_calls_and_results(llm):
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "x", "type": "tool_call"}
    question = [HumanMessage("Add 1 and 2")]
    answered = [*question, AIMessage("", tool_calls=[call])]

    counts = [
        llm.get_num_tokens_from_messages(question),
        llm.get_num_tokens_from_messages(question, [add]),
        llm.get_num_tokens_from_messages(answered, [add]),
    ]

    assert counts[0] < counts[1] < counts[2]
    assert llm.get_num_tokens_from_messages(question, [adding]) == llm.get_num_tokens_from_messages(question, [FLAT])


@pytest.mark.parametrize("max_tokens", [2048, 4000])
def test_the_profile_claims_what_fits_into_one_request(native_stage, max_tokens):
    profile = native_stage.model(max_tokens=max_tokens).profile

    assert profile["max_input_tokens"] + max_tokens == 24_000
    assert profile["tool_calling"]
    assert not profile["structured_output"]
    assert native_stage.model(model=OTHER_MODEL).profile is None


@pytest.mark.parametrize("name", ["_generate", "_agenerate"])
def test_a_signature_that_is_kept_is_the_method_s_own(name):
    function = getattr(ChatCloudflareLlama, name)
    code = function.__code__
    assert tuple(function.__signature__.parameters) == code.co_varnames[: code.co_argcount + 1]  # and **kwargs


def test_generate_tells_older_callbacks_what_was_used(stage, caller):
    llm = stage.model("One.", "Two.")

    result = caller.call(llm, "generate", [[HumanMessage("a")], [HumanMessage("b")]])
    used = [generations[0].message.usage_metadata for generations in result.generations]
    assert result.llm_output["model_name"] == llm.model
    assert result.llm_output["token_usage"]["total_tokens"] == sum(usage["total_tokens"] for usage in used)


def test_callbacks_are_told_how_an_answer_ended(stage, caller):
    class Ends(BaseCallbackHandler):
        def on_llm_end(self, response, **_):
            ended.append(response.generations[0][0].generation_info)

    ended = []
    llm = stage.model(*["one two three four five six seven eight"] * 2, max_tokens=3, callbacks=[Ends()])

    caller.invoke(llm, "count")
    caller.stream(llm, "count")
    assert ended == [{"finish_reason": "length"}] * 2


def test_an_answer_without_usage_tells_the_same_whole_and_streamed(native_stage, caller):
    llm = native_stage.model(*[[Faults("no-usage"), "One."]] * 2)

    result = caller.call(llm, "generate", [[HumanMessage("a")]])
    told = [result.generations[0][0].message, folded(caller.stream(llm, "a"))]
    assert result.llm_output == {"model_name": llm.model}
    assert all("token_usage" not in message.response_metadata for message in told)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_answers_headers_are_told_where_they_are_wanted(stage, caller, streamed):
    def metadata(**settings):
        llm = stage.model("One.", **settings)
        answer = folded(caller.stream(llm, "a")) if streamed else caller.invoke(llm, "a")
        return answer.response_metadata

    assert "headers" not in metadata()
    headers = metadata(include_response_headers=True)["headers"]
    assert headers["cf-ai-req-id"]
    assert "set-cookie" not in headers


@pytest.mark.parametrize(("settings", "options", "told"), [({}, {}, True), ({"stream_usage": False}, {}, False)])
def test_the_usage_of_a_stream_can_be_left_out(stage, caller, settings, options, told):
    llm = stage.model("One.", "Two.", **settings)
    assert bool(folded(caller.stream(llm, "a", **options)).usage_metadata) is told
    assert not folded(caller.stream(llm, "a", stream_usage=False)).usage_metadata


def test_an_extra_body_goes_out(stage, caller):
    caller.invoke(stage.model("One.", extra_body={"cache": "no"}), "a")
    assert stage.asked["cache"] == "no"
