"""The batch queue as LlamaIndex's users meet it: conversations, extractors over nodes, programs, events."""

import asyncio
import copy
import pickle

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.extractors import KeywordExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatStartEvent
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, ValidationError

from cf_llama import AuthenticationError, BadResponseError, InvalidRequestError

QUICK = {"first_poll": 0.02, "longest_poll": 0.1}
PAGES = [f"page {n}" for n in range(6)]
ASKED = [[ChatMessage(role="user", content=page)] for page in PAGES]
SAID = [f"You said: {page}" for page in PAGES]


class Review(BaseModel):
    """A verdict."""

    stars: int


@pytest.fixture
def talk(rules):
    def start(faults="queue-messages", **fields):
        return rules(default_headers={"x-emulator-faults": faults}, **fields)

    return start


def submissions(talk):
    """The items of each batch that went into the queue."""
    return [body["requests"] for body in talk.bodies if "requests" in body]


async def sent(talk):
    """Wait until a batch has gone into the queue."""
    while not submissions(talk):  # noqa: ASYNC110 - the emulator has no event to wait for
        await asyncio.sleep(0.01)


def content(response):
    return response.message.content


@pytest.mark.parametrize("faults", ["queue-messages, queue-shuffled", "queue-form=2"])
async def test_conversations_are_answered_in_order(talk, caller, faults):
    queue = talk(faults)
    responses = await caller.call(queue.llm, "batch_queue", ASKED, queue=QUICK, seed=7)
    assert [content(response) for response in responses] == SAID
    assert all(response.additional_kwargs["total_tokens"] for response in responses)
    assert {item["seed"] for item in submissions(queue)[-1]} == {7}


async def test_one_batch_for_all(talk, caller):
    queue = talk()
    await caller.call(queue.llm, "batch_queue", ASKED, queue=QUICK)
    assert [len(items) for items in submissions(queue)] == [6]


async def test_messages_are_tried_once_where_the_service_takes_prompts_only(talk, caller):
    queue = talk(faults="")
    llm = queue.llm.queued(**QUICK)
    for _ in range(2):
        assert content(await caller.call(llm, "chat", ASKED[0])) == SAID[0]
    assert ["prompt" in items[0] for items in submissions(queue)] == [False, True, True]


async def test_every_conversation_has_its_events(talk, caller, events):
    await caller.call(talk().llm, "batch_queue", ASKED, queue=QUICK)
    started = [event.messages[0].content for event in events if isinstance(event, LLMChatStartEvent)]
    ended = {
        event.messages[0].content: content(event.response) for event in events if isinstance(event, LLMChatEndEvent)
    }
    assert started == PAGES
    assert ended == dict(zip(PAGES, SAID, strict=True))


async def test_conversations_fail_alone(talk, caller):
    many = [[ChatMessage(role="user", content=f"page {n}")] for n in range(40)]
    llm = talk("queue-messages, queue-missing=0.5").llm
    responses = await caller.call(llm, "batch_queue", many, queue=QUICK, return_exceptions=True)
    failed = [response for response in responses if isinstance(response, BadResponseError)]
    assert 0 < len(failed) < 40
    for messages, response in zip(many, responses, strict=True):
        assert response in failed or content(response) == f"You said: {messages[0].content}"


async def test_without_return_exceptions_an_error_is_raised(talk, caller):
    with pytest.raises(BadResponseError, match="lack"):
        await caller.call(talk("queue-messages, queue-missing=1").llm, "batch_queue", ASKED, queue=QUICK)
    with pytest.raises(AuthenticationError):
        await caller.call(talk(api_token="wrong").llm, "batch_queue", ASKED, queue=QUICK)


async def test_what_cannot_be_asked_fails_alone(talk, caller):
    queue = talk()
    wrong = [*ASKED[:1], [], *ASKED[1:2]]
    first, second, third = await caller.call(queue.llm, "batch_queue", wrong, queue=QUICK, return_exceptions=True)
    assert [content(first), content(third)] == SAID[:2]
    assert isinstance(second, InvalidRequestError)
    assert [len(items) for items in submissions(queue)] == [2]


async def test_wrong_options_are_named(talk, caller):
    with pytest.raises(ValidationError, match="max_item"):
        await caller.call(talk().llm, "batch_queue", ASKED, queue={"max_item": 3})


def test_a_client_of_ones_own_is_not_passed_by(talk):
    queue = talk()
    with httpx.Client() as client, pytest.raises(InvalidRequestError, match="http_async_client"):
        queue.llm.model_copy(update={"http_client": client}).batch_queue(ASKED, queue=QUICK)
    assert not queue.bodies


async def test_a_single_question_is_a_batch_of_one(talk, caller):
    queue = talk()
    assert content(await caller.call(queue.llm.queued(**QUICK), "chat", ASKED[1])) == SAID[1]
    [streamed] = await caller.items(queue.llm.queued(**QUICK), "stream_chat", ASKED[2])
    assert (content(streamed), streamed.delta) == (SAID[2], SAID[2])
    assert [len(items) for items in submissions(queue)] == [1, 1]


async def test_the_model_itself_asks_as_ever(talk, caller):
    queue = talk()
    queue.llm.queued(**QUICK)
    await caller.call(queue.llm, "chat", ASKED[0])
    assert not submissions(queue)


def test_an_extractor_sends_its_nodes_together(talk):
    queue = talk()
    extractor = KeywordExtractor(llm=queue.llm.queued(**QUICK), num_workers=6, show_progress=False)
    nodes = IngestionPipeline(transformations=[extractor]).run(nodes=[TextNode(text=page) for page in PAGES])
    assert [len(items) for items in submissions(queue)] == [6]
    assert all(page in node.metadata["excerpt_keywords"] for page, node in zip(PAGES, nodes, strict=True))


async def test_objects_and_calls_come_through_the_queue(talk):
    queue = talk()
    llm = queue.llm.queued(**QUICK)
    prompt = PromptTemplate("Review: {text}")
    reviews = await asyncio.gather(*(llm.astructured_predict(Review, prompt, text=text) for text in ("good", "bad")))
    assert all(isinstance(review, Review) for review in reviews)
    tool = FunctionTool.from_defaults(lambda city: city, name="get_weather", description="The weather")
    response = await llm.achat_with_tools([tool], "Weather in Turin?", tool_required=True)
    assert llm.get_tool_calls_from_response(response)[0].tool_name == "get_weather"
    assert [len(items) for items in submissions(queue)] == [2, 1]


async def test_different_accounts_are_not_mixed(talk):
    queue = talk()
    llm = queue.llm.queued(**QUICK)
    answers = await asyncio.gather(llm.achat(ASKED[0]), llm.achat(ASKED[1], session_id="another"))
    assert [content(answer) for answer in answers] == SAID[:2]
    assert [len(items) for items in submissions(queue)] == [1, 1]


async def test_who_gives_up_leaves_the_others_alone(talk):
    queue = talk("queue-messages, queue-delay=0.3")
    llm = queue.llm.queued(**QUICK)
    leaving, staying = (asyncio.create_task(llm.achat(messages)) for messages in ASKED[:2])
    await sent(queue)
    leaving.cancel()
    assert content(await staying) == SAID[1]
    assert leaving.cancelled()


async def test_when_all_give_up_nothing_is_asked_any_more(talk):
    queue = talk("queue-messages, queue-stuck")
    prepare = asyncio.create_task(queue.llm.abatch_queue(ASKED, queue=QUICK))
    await sent(queue)
    prepare.cancel()
    await asyncio.wait([prepare])
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("again", [copy.deepcopy, lambda llm: pickle.loads(pickle.dumps(llm))], ids=["copy", "pickle"])
def test_copies_and_pickles_keep_the_way(talk, again, monkeypatch):
    queue = talk()
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", queue.emulator.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", queue.emulator.api_token)
    llm = again(queue.llm.queued(items="prompt", **QUICK))
    assert content(llm.chat(ASKED[0])) == SAID[0]
    assert [len(items) for items in submissions(queue)] == [1]
