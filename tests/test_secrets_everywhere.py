"""Token and account id, through everything that a framework shows, stores or tells of a call, also when it fails."""

import asyncio
import copy
import json
import logging
import traceback
import warnings

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps
from langchain_core.tracers.base import BaseTracer
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import NullSpanHandler
from pydantic import BaseModel, ValidationError

from cf_llama import Settings, WorkersAIError
from cf_llama_emulator.server.threaded import serve
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

HEADER = "a-header-that-nobody-may-see"
HELLO = [ChatMessage("Hi")]
FAULTS = [
    "",
    "capacity",
    "quota-spent",
    "cut=event@1",
    "reset=start",
    "page=522",
    "error=10000",
    "error=3043, status=200",
]
CALLS = ["whole", "streamed", "whole, async", "streamed, async"]


@pytest.fixture(scope="module")
def running():
    with serve() as emulator:
        yield emulator


def settings(running, faults=""):
    headers = {"x-mine": HEADER} | ({"x-emulator-faults": faults} if faults else {})
    account = {"account_id": running.account_id, "api_token": running.api_token, "base_url": running.base_url}
    return account | {"default_headers": headers, "max_retries": 0}


@pytest.fixture
def secrets(running):
    return running.account_id, running.api_token, HEADER


class Tracer(BaseTracer):
    """What LangSmith would be sent."""

    def __init__(self):
        super().__init__()
        self.told = []

    def _persist_run(self, run):
        self.told.append(run.model_dump_json() if hasattr(run, "model_dump_json") else repr(vars(run)))


class Listener(BaseCallbackHandler):
    """What any handler is told."""

    def __init__(self):
        self.told = []

    def on_chat_model_start(self, *told, **more):
        self.told.append(repr((told, more)))

    def on_llm_end(self, *told, **more):
        self.told.append(repr((told, more)))

    def on_llm_error(self, *told, **more):
        self.told.append(repr((told, more)))


class Events(BaseEventHandler):
    told: list

    @classmethod
    def class_name(cls):
        return "Events"

    def handle(self, event, **_):
        self.told += [repr(event), event.model_dump_json() if not hasattr(event, "exception") else repr(event)]


def shown_of(error):
    """An exception as it may be printed, logged or pickled, with all that led to it."""
    while error is not None:
        yield from traceback.format_exception(error)
        yield repr(vars(error)) + repr(error.args)
        if isinstance(error, ValidationError):
            yield repr(error.errors()) + error.json()
        error = error.__cause__ or error.__context__


async def _collected(stream):
    return [item async for item in stream]


def langchain(llm, call, config):
    match call:
        case "whole":
            return llm.invoke("Hi", config)
        case "streamed":
            return list(llm.stream("Hi", config))
        case "whole, async":
            return asyncio.run(llm.ainvoke("Hi", config))
        case _:
            return asyncio.run(_collected(llm.astream("Hi", config)))


def llama_index(llm, call):
    async def astreamed():
        return await _collected(await llm.astream_chat(HELLO))

    async def whole():
        return await llm.achat(HELLO)

    match call:
        case "whole":
            return llm.chat(HELLO)
        case "streamed":
            return list(llm.stream_chat(HELLO))
        case "whole, async":
            return asyncio.run(whole())
        case _:
            return asyncio.run(astreamed())


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_that_langchain_is_told_holds_them(running, secrets, faults, call, caplog):
    tracer, listener, shown = Tracer(), Listener(), []
    llm = ChatCloudflareLlama(**settings(running, faults))
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        try:
            shown.append(repr(langchain(llm, call, {"callbacks": [tracer, listener]})))
        except WorkersAIError as error:
            shown += shown_of(error)
    assert tracer.told
    assert listener.told
    ours = [record.getMessage() for record in caplog.records]
    for text in [*shown, *tracer.told, *listener.told, *ours, *map(str, warned)]:
        assert not [secret for secret in secrets if secret in text], text


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_that_llama_index_is_told_holds_them(running, secrets, faults, call, caplog):
    debug, events, shown = LlamaDebugHandler(print_trace_on_end=False), Events.model_construct(told=[]), []
    llm = CloudflareLlama(**settings(running, faults), callback_manager=CallbackManager([debug]))
    root = get_dispatcher("root")
    root.add_event_handler(events)
    try:
        with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
            try:
                shown.append(repr(llama_index(llm, call)))
            except WorkersAIError as error:
                shown += shown_of(error)
    finally:
        root.event_handlers.remove(events)
    assert events.told
    told = [repr(event.payload) for pair in debug.get_llm_inputs_outputs() for event in pair]
    ours = [record.getMessage() for record in caplog.records]
    for text in [*shown, *events.told, *told, *ours, *map(str, warned)]:
        assert not [secret for secret in secrets if secret in text], text


SHOWN = {
    "repr": repr,
    "str": str,
    "model_dump": lambda llm: repr(llm.model_dump()),
    "model_dump_json": lambda llm: llm.model_dump_json(),
    "copy": lambda llm: repr(copy.deepcopy(llm)),
}


OF_LANGCHAIN = SHOWN | {"dumps": dumps, "dumpd": dumpd, "cache key": lambda llm: repr(llm._get_llm_string())}
OF_LLAMA_INDEX = SHOWN | {
    "to_json": lambda llm: llm.to_json(),
    "to_dict": lambda llm: repr(llm.to_dict()),
}


@pytest.mark.parametrize("show", OF_LANGCHAIN.values(), ids=OF_LANGCHAIN)
def test_no_form_of_a_chat_model_holds_them(running, secrets, show):
    shown = str(show(ChatCloudflareLlama(**settings(running))))
    assert shown
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("show", [*SHOWN.values(), dumps], ids=[*SHOWN, "dumps"])
def test_no_form_of_a_text_model_holds_them(running, secrets, show):
    shown = str(show(CloudflareLlamaLLM(**settings(running))))
    assert shown
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("show", OF_LLAMA_INDEX.values(), ids=OF_LLAMA_INDEX)
def test_no_form_of_a_model_of_llama_index_holds_them(running, secrets, show):
    shown = str(show(CloudflareLlama(**settings(running))))
    assert shown
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("kind", [Settings, ChatCloudflareLlama, CloudflareLlamaLLM, CloudflareLlama])
@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 99}, {"unknown": 1}, {"api_token": ["a-token"]}, {"timeout": "soon"}, {"api_tokn": "a-token"}],
)
def test_what_is_wrong_with_one_setting_does_not_show_others(running, secrets, kind, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
        kind(**settings(running) | wrong)
    for text in shown_of(caught.value):
        assert not [secret for secret in (*secrets, "a-token") if secret in text], text


@pytest.mark.parametrize("kind", [Settings, ChatCloudflareLlama, CloudflareLlamaLLM, CloudflareLlama])
def test_a_malformed_token_is_not_repeated(running, kind):
    token = "my-token\r\nx-injected: 1"
    with pytest.raises(ValueError, match="token") as caught:
        kind(**settings(running) | {"api_token": token}).connection()
    assert not [text for text in shown_of(caught.value) if "my-token" in text or json.dumps(token) in text]


GIVEN = ("account_id", "api_token", "default_headers")


def split(running):
    """Settings without what is secret, and that, to be given for one call."""
    given = settings(running)
    for_a_call = {name: given[name] for name in GIVEN} | {"extra_headers": given["default_headers"]}
    return {name: given[name] for name in given.keys() - GIVEN}, for_a_call


@pytest.mark.parametrize("kind", [ChatCloudflareLlama, CloudflareLlamaLLM])
def test_nothing_shows_what_is_bound_to_a_model(running, secrets, kind):
    kept, given = split(running)
    bound = kind(**kept).bind(temperature=0).bind(**given)
    for shown in (repr(bound), str(bound), dumps(bound), repr(dumpd(bound)), repr(bound.kwargs)):
        assert not [secret for secret in secrets if secret in shown], shown
    assert bound.invoke("Hi")


def test_nothing_that_langchain_is_told_holds_what_is_given_for_one_call(running, secrets):
    kept, given = split(running)
    tracer, listener = Tracer(), Listener()
    config = {"callbacks": [tracer, listener]}
    assert ChatCloudflareLlama(**kept).invoke("Hi", config, **given).text
    assert ChatCloudflareLlama(**kept).bind(**given).invoke("Hi", config).text
    assert ChatCloudflareLlama(**kept).bind(**given).queued(first_poll=0.01).batch(["Hi"], config)[0].text
    for text in [*tracer.told, *listener.told]:
        assert not [secret for secret in secrets if secret in text], text


class Spans(NullSpanHandler):
    told: list

    @classmethod
    def class_name(cls):
        return "Spans"

    def span_enter(self, *told, **more):
        self.told.append(repr((told, more)))

    def span_exit(self, *told, **more):
        self.told.append(repr((told, more)))


@pytest.fixture
def observed():
    events, spans = Events.model_construct(told=[]), Spans.model_construct(told=[])
    root = get_dispatcher("root")
    root.add_event_handler(events)
    root.add_span_handler(spans)
    yield events.told, spans.told
    root.event_handlers.remove(events)
    root.span_handlers.remove(spans)


class Person(BaseModel):
    """Somebody."""

    name: str


@pytest.mark.parametrize(
    "ask",
    [
        lambda llm, given: llm.chat(HELLO, **given),
        lambda llm, given: list(llm.stream_chat(HELLO, **given)),
        lambda llm, given: llm.complete("Hi", **given),
        lambda llm, given: asyncio.run(llm.achat(HELLO, **given)),
        lambda llm, given: llm.chat_with_tools([], "Hi", **given),
        lambda llm, given: llm.structured_predict(Person, PromptTemplate("Hi"), llm_kwargs=given),
    ],
    ids=["chat", "stream", "complete", "async", "tools", "structured"],
)
def test_nothing_that_llama_index_is_told_holds_what_is_given_for_one_call(running, secrets, observed, ask):
    kept, given = split(running)
    debug = LlamaDebugHandler(print_trace_on_end=False)
    assert ask(CloudflareLlama(**kept, callback_manager=CallbackManager([debug])), given)
    told = [repr(event.payload) for pair in debug.get_llm_inputs_outputs() for event in pair]
    assert all(observed)
    for text in [*told, *(text for kind in observed for text in kind)]:
        assert not [secret for secret in secrets if secret in text], text


def test_no_form_of_a_model_shows_what_is_given_for_all_calls(running, secrets):
    kept, given = split(running)
    llm = CloudflareLlama(**kept, additional_kwargs=given)
    for show in OF_LLAMA_INDEX.values():
        assert not [secret for secret in secrets if secret in str(show(llm))]
    assert llm.complete("Hi").text
