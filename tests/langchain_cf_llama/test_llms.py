from __future__ import annotations

import time

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from cf_llama.protocol import chat_template
from cf_llama_emulator.wire.engine_protocol import Raw
from langchain_cf_llama import CloudflareLlamaLLM, errors
from langchain_cf_llama.messages import to_wire
from tests.langchain_cf_llama.support import settings_for

MESSAGES = [SystemMessage("be good"), HumanMessage("hi"), AIMessage("hello"), HumanMessage("how are you?")]


@pytest.fixture
def llm(stage):
    return lambda *turns, **settings: stage.model(*turns, kind=CloudflareLlamaLLM, **settings)


def test_a_prompt_goes_out_as_it_is(stage, llm, caller):
    assert caller.invoke(llm("a time", lora="tales"), "Once upon") == "a time"
    assert stage.asked == {"prompt": "Once upon", "max_tokens": 2048, "lora": "tales"}


def test_messages_are_rendered_as_the_model_reads_them(stage, llm, caller):
    caller.invoke(llm("fine"), MESSAGES)

    assert stage.asked["prompt"] == chat_template.render(to_wire(MESSAGES))
    assert stage.asked["raw"] is True
    assert "Human:" not in stage.asked["prompt"]


@pytest.mark.parametrize(
    "prompt", [ChatPromptTemplate.from_messages([("human", "{x}")]), ChatPromptTemplate.from_template("{x}")]
)
def test_a_chat_prompt_is_rendered_in_streams_too(stage, llm, caller, prompt):
    assert "".join(caller.stream(prompt | llm("fine"), {"x": "hi"})) == "fine"
    assert stage.asked["prompt"].endswith(
        "user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_a_text_prompt_is_left_alone(stage, llm, caller):
    caller.invoke(PromptTemplate.from_template("Once {x}") | llm("a time"), {"x": "upon"})

    assert stage.asked["prompt"] == "Once upon"
    assert "raw" not in stage.asked


@pytest.mark.parametrize(("fields", "per_call"), [({"raw": True}, {}), ({"raw": False}, {}), ({}, {"raw": True})])
def test_raw_can_be_said_outright(stage, llm, caller, fields, per_call):
    caller.invoke(llm("a time", **fields), "Once upon", **per_call)

    assert stage.asked["raw"] is (fields | per_call)["raw"]


def test_an_image_among_messages_is_refused(stage, llm, caller):
    with pytest.raises(errors.InvalidRequestError, match="image_url"):
        caller.invoke(llm(), [HumanMessage([{"type": "image_url", "image_url": {"url": "u"}}])])


def test_prompts_are_asked_at_the_same_time(stage, llm, caller):
    slow = Raw(chunks=[b'{"result": {"response": "yes"}, "success": true}'], pause=0.3)

    started = time.perf_counter()
    answers = caller.call(llm(*[slow] * 6), "batch", ["a", "b", "c", "d", "e", "f"])

    assert answers == ["yes"] * 6
    assert time.perf_counter() - started < 6 * 0.3


def test_answers_come_in_the_order_of_the_prompts(native, caller):
    llm = CloudflareLlamaLLM(**settings_for(native))

    assert caller.call(llm, "batch", ["a", "b", "c"]) == ["You said: a", "You said: b", "You said: c"]


def test_one_failure_fails_them_all_and_leaves_nothing_behind(stage, llm, caller):
    quick, slow = Raw(403, {}, [b"{}"]), Raw(chunks=[b'{"result": {"response": "yes"}, "success": true}'], pause=0.2)

    with pytest.raises(errors.PermissionDeniedError):
        caller.call(llm(quick, slow), "batch", ["a", "b"])


def test_usage_and_finish_reason_are_told(stage, llm, caller):
    answers = {"a": "one two three", "b": "four"}
    asked = llm(*[lambda ask: answers[ask.prompt]] * 2, max_tokens=2)

    result = caller.call(asked, "generate", ["a", "b"])

    informed = [generation.generation_info for (generation,) in result.generations]
    assert [information["finish_reason"] for information in informed] == ["length", "stop"]
    total = result.llm_output["token_usage"]
    assert total == {name: sum(each["token_usage"][name] for each in informed) for name in total}
    assert total["total_tokens"] == total["prompt_tokens"] + total["completion_tokens"] > 0


class Seen(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ends: list = []

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)

    def on_llm_end(self, response, **kwargs):
        self.ends.append(response)


def test_each_token_of_a_stream_is_reported_once(stage, llm, caller):
    seen = Seen()

    pieces = caller.stream(llm(["Hello", " there"]), "hi", {"callbacks": [seen]})

    assert "".join(pieces) == "Hello there"
    assert seen.tokens == pieces
    ((generation,),) = seen.ends[0].generations
    assert generation.generation_info["token_usage"]["total_tokens"] > 0


@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_failures_are_langchains(stage, llm, caller, method):
    with pytest.raises(errors.PermissionDeniedError):
        getattr(caller, method)(llm(Raw(403, {}, [b"{}"])), "hi")


def test_settings_can_be_changed_for_one_call(stage, llm, caller):
    asked = llm("yes", "yes", "yes")

    caller.invoke(asked, "hi", temperature=1.5, session_id="s1")
    caller.stream(asked, "hi", seed=3)
    caller.invoke(asked, "hi")

    first, second, third = stage.bodies
    assert (first["temperature"], second["seed"]) == (1.5, 3)
    assert third == {"prompt": "hi", "max_tokens": 2048}
    with pytest.raises(errors.InvalidRequestError, match="tempreature"):
        caller.invoke(asked, "hi", tempreature=1)


def test_an_answer_ends_where_it_is_told_to(stage, llm, caller):
    assert caller.invoke(llm("one two three"), "count", stop=["two"]) == "one "


def test_a_prompt_that_fails_in_a_batch_fails_alone(stage, llm, caller):
    one, none, other = caller.call(llm("One.", "Three."), "batch", ["a", "", "c"], return_exceptions=True)

    assert {one, other} == {"One.", "Three."}
    assert isinstance(none, errors.InvalidRequestError)


def test_a_prompt_that_fails_in_a_batch_is_raised_unless_asked_otherwise(stage, llm, caller):
    with pytest.raises(errors.InvalidRequestError):
        caller.call(llm("One.", "Three."), "batch", ["a", "", "c"])
