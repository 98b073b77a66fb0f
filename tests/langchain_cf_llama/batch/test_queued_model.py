"""The batch queue as LangChain's users meet it: steps of chains, callbacks, configs, errors of their own."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.load import dumpd
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from pydantic import BaseModel

from cf_llama_emulator.server import serve
from langchain_cf_llama import ChatCloudflareLlama
from langchain_cf_llama.errors import AuthenticationError, BadResponseError, ToolChoiceError
from tests.langchain_cf_llama.support import settings_for

QUICK = {"first_poll": 0.02, "longest_poll": 0.1}
PAGES = [f"page {n}" for n in range(6)]
SAID = [f"You said: {page}" for page in PAGES]


class Review(BaseModel):
    """A verdict."""

    stars: int


class Told(BaseCallbackHandler):
    """What callbacks are told of each question."""

    def __init__(self):
        self.started, self.ended, self.failed = [], [], []

    def on_chat_model_start(self, serialized, messages, **told):
        self.started.append((messages[0][-1].content, told["run_id"], told["tags"], told["metadata"], told["name"]))

    def on_llm_end(self, response, *, run_id, **_):
        [[generation]] = response.generations
        assert generation.generation_info == {"finish_reason": "stop"}
        self.ended.append((generation.message.content, run_id))

    def on_llm_error(self, error, *, run_id, **_):
        self.failed.append((error, run_id))


class Sync:
    def batch(self, runnable, *arguments, **options):
        return runnable.batch(*arguments, **options)

    def batch_queue(self, llm, *arguments, **options):
        return llm.batch_queue(*arguments, queue=QUICK, **options)

    def as_completed(self, llm, *arguments, **options):
        return list(llm.batch_queue_as_completed(*arguments, queue=QUICK, **options))

    def invoke(self, runnable, question):
        return runnable.invoke(question)


class Async:
    def batch(self, runnable, *arguments, **options):
        return asyncio.run(runnable.abatch(*arguments, **options))

    def batch_queue(self, llm, *arguments, **options):
        return asyncio.run(llm.abatch_queue(*arguments, queue=QUICK, **options))

    def as_completed(self, llm, *arguments, **options):
        async def collect():
            return [pair async for pair in llm.abatch_queue_as_completed(*arguments, queue=QUICK, **options)]

        return asyncio.run(collect())

    def invoke(self, runnable, question):
        return asyncio.run(runnable.ainvoke(question))


@pytest.fixture(params=[Sync(), Async()], ids=["sync", "async"])
def way(request):
    return request.param


@pytest.fixture(scope="module")
def running():
    with serve() as emulator:
        yield emulator


@pytest.fixture
def model(running):
    running.requests.clear()

    def make(faults="queue-messages", **settings):
        headers = {"x-emulator-faults": faults} if faults else {}
        return ChatCloudflareLlama(**settings_for(running) | {"default_headers": headers} | settings)

    return make


def submissions(running):
    """Bodies that went into the queue."""
    return [seen.body["requests"] for seen in running.requests if "requests" in seen.body]


@pytest.mark.parametrize("faults", ["", "queue-shuffled, queue-keyed=reference", "queue-form=2"])
def test_all_are_answered_in_order_with_their_usage(way, model, running, faults):
    answers = way.batch_queue(model(faults), PAGES)
    assert [answer.content for answer in answers] == SAID
    assert all(answer.usage_metadata["total_tokens"] for answer in answers)
    assert all(answer.id.startswith("lc_run--") for answer in answers)
    for sent in submissions(running):  # with messages, which are refused, and with prompts
        assert len({item["external_reference"] for item in sent}) == len(PAGES)


def test_the_default_batch_goes_its_usual_way(way, model, running):
    assert [answer.content for answer in way.batch(model(), PAGES)] == SAID
    assert not submissions(running)


def test_a_chain_goes_through_the_queue_in_one_batch(way, model, running):
    chain = ChatPromptTemplate([("human", "page {n}")]) | model().queued(**QUICK) | StrOutputParser()
    assert way.batch(chain, [{"n": n} for n in range(6)]) == SAID
    assert [len(sent) for sent in submissions(running)] == [6]


def test_one_question_is_a_batch_of_one(way, model, running):
    assert way.invoke(model().queued(**QUICK), "page 1").content == SAID[1]
    assert [len(sent) for sent in submissions(running)] == [1]


def test_content_blocks_come_where_the_model_is_set_to_them(way, model):
    llm = model(output_version="v1")
    answer = way.invoke(llm.queued(**QUICK), "page 1")
    assert answer.content == llm.invoke("page 1").content == [{"type": "text", "text": SAID[1]}]
    assert answer.response_metadata["output_version"] == "v1"
    assert answer.text == SAID[1]


def test_answers_come_with_their_places(way, model):
    pairs = way.as_completed(model(), PAGES)
    assert {place: answer.content for place, answer in pairs} == dict(enumerate(SAID))


def test_every_question_has_a_run_of_its_own(way, model):
    told = Told()
    configs = [
        RunnableConfig(callbacks=[told], tags=[f"tag {n}"], metadata={"n": n}, run_name=f"run {n}") for n in range(6)
    ]
    way.batch_queue(model(), PAGES, configs)
    assert [(content, tags, name) for content, _, tags, _, name in told.started] == [
        (page, [f"tag {n}"], f"run {n}") for n, page in enumerate(PAGES)
    ]
    assert [metadata["n"] for _, _, _, metadata, _ in told.started] == list(range(6))
    assert len({run_id for _, run_id, *_ in told.started}) == 6
    begun = {run_id: content for content, run_id, *_ in told.started}
    assert {begun[run_id]: content for content, run_id in told.ended} == dict(zip(PAGES, SAID, strict=True))
    assert not told.failed


def test_usage_adds_up_in_langchains_own_counter(way, model):
    with get_usage_metadata_callback() as counter:
        answers = way.batch_queue(model(), PAGES)
    [counted] = counter.usage_metadata.values()
    assert counted["total_tokens"] == sum(answer.usage_metadata["total_tokens"] for answer in answers)


def test_questions_fail_alone(way, model):
    told = Told()
    many = [f"page {n}" for n in range(40)]
    llm = model("queue-messages, queue-missing=0.5")
    answers = way.batch_queue(llm, many, {"callbacks": [told]}, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, Exception)]
    assert 0 < len(failed) == len(told.failed) < 40
    assert len(told.ended) == 40 - len(failed)
    for page, answer in zip(many, answers, strict=True):
        assert isinstance(answer, BadResponseError) or answer.content == f"You said: {page}"


def test_without_return_exceptions_the_first_is_raised(way, model):
    with pytest.raises(Exception, match="lack"):
        way.batch_queue(model("queue-messages, queue-missing=1"), PAGES)


def test_a_question_that_cannot_be_asked_fails_alone(way, model, running):
    image = HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}])
    answers = way.batch_queue(model(), [PAGES[0], [image]], return_exceptions=True)
    assert answers[0].content == SAID[0]
    assert "text only" in str(answers[1])
    assert [len(sent) for sent in submissions(running)] == [1]


def test_a_wrong_token_fails_all(way, model):
    with pytest.raises(AuthenticationError):
        way.batch_queue(model(api_token="wrong"), PAGES)


def test_settings_of_a_call_and_bound_ones_go_into_every_item(way, model, running):
    way.batch_queue(model().bind(seed=7), PAGES[:2], temperature=0.5)
    [sent] = submissions(running)
    assert [(item["seed"], item["temperature"]) for item in sent] == [(7, 0.5)] * 2


def test_bound_tools_are_called_through_the_queue(way, model, running):
    tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    llm = model().bind_tools([tool], tool_choice="any")
    answers = way.batch_queue(llm, ["Weather in Turin?", "Weather in Rome?"])
    assert [answer.tool_calls[0]["name"] for answer in answers] == ["get_weather"] * 2


@pytest.mark.parametrize(
    "bound",
    [lambda llm: llm.bind(seed=7).queued(**QUICK), lambda llm: llm.queued(**QUICK).bind(seed=7)],
    ids=["model", "queue"],
)
def test_what_was_bound_before_tools_or_a_schema_is_kept(way, model, running, bound):
    tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    assert isinstance(way.invoke(bound(model()).with_structured_output(Review), "Good"), Review)
    way.invoke(bound(model()).bind(tools=[]).bind_tools([tool]), "Weather?")
    [[first], [second]] = submissions(running)
    assert (first["seed"], second["seed"]) == (7, 7)
    assert [tool["function"]["name"] for tool in second["tools"]] == ["get_weather"]


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_structured_output_goes_through_the_queue(way, model, running, method):
    chain = ChatPromptTemplate([("human", "JSON, please: {text}")]) | model().queued(**QUICK).with_structured_output(
        Review, method=method
    )
    reviews = way.batch(chain, [{"text": "good"}, {"text": "bad"}], return_exceptions=True)
    assert len(reviews) == 2
    assert submissions(running)
    if method != "json_mode":  # the rules know no form that is only described in words
        assert all(isinstance(review, Review) for review in reviews)


def test_a_model_that_makes_no_call_is_told_so_without_ids_of_the_answer(way, model, running):
    chain = model(faults="").queued(**QUICK, items="prompt").with_structured_output(Review)
    with pytest.raises(ToolChoiceError, match="request "):  # the rules do not read the tools of a prompt
        way.invoke(chain, "Good")
    [first], [again] = submissions(running)
    assert "This does not fit" not in first["prompt"]
    told = "tool_choice forced a call of Review, and the model made none. Answer once more, so that it fits."
    assert f"This does not fit what was asked for: {told}" in again["prompt"]


@pytest.mark.parametrize("queued", [False, True], ids=["direct", "queued"])
def test_in_a_chain_the_run_of_the_model_is_a_child_of_the_one_that_gives_the_object(way, model, queued):
    class Runs(BaseCallbackHandler):
        names, parents = {}, []

        def on_chain_start(self, serialized, inputs, *, run_id, name, **_):
            self.names[run_id] = name

        def on_chat_model_start(self, serialized, messages, *, parent_run_id, **_):
            self.parents.append(parent_run_id)

    llm = model().queued(**QUICK) if queued else model()
    chain = ChatPromptTemplate([("human", "page {n}")]) | llm.with_structured_output(Review)
    runs = Runs()
    way.batch(chain, [{"n": 1}, {"n": 2}], {"callbacks": [runs]})
    way.batch(RunnableLambda(chain.invoke, chain.ainvoke), [{"n": 3}], {"callbacks": [runs]})
    assert [runs.names[parent] for parent in runs.parents] == ["structured_output"] * 3
    assert len(set(runs.parents)) == 3


def test_a_queue_with_a_fallback_gives_objects(way, model, running):
    llm = model(api_token="wrong").with_fallbacks([model()]).queued(**QUICK)
    assert isinstance(way.invoke(llm.with_structured_output(Review, strict=True), "Good"), Review)
    assert [len(sent) for sent in submissions(running)] == [1, 1]


def test_closing_early_tells_the_runs_that_are_left(model):
    told = Told()
    answers = model().batch_queue_as_completed(PAGES, {"callbacks": [told]}, queue={**QUICK, "max_items": 1})
    next(answers)
    answers.close()
    assert len(told.ended) + len(told.failed) == len(PAGES)


@pytest.mark.parametrize("option", ["max_item", "max_items"])
def test_wrong_options_are_named(model, option):
    with pytest.raises((ValueError, TypeError), match=option):
        model().queued(**{option: 0})


def test_a_bound_model_is_dumped_as_langchains_binding(model):
    assert dumpd(model().bind(seed=7))["id"][-1] == "RunnableBinding"
