"""The eight methods, what they send, and what LlamaIndex sees of them."""

import asyncio
import inspect
import threading

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)

from cf_llama import MODEL, InvalidRequestError, StreamInterruptedError
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import End, Raw, Text
from cf_llama_emulator.wire.errors import ServiceError
from llama_index_cf_llama.responses import tool_selections
from tests.llama_index_cf_llama.conftest import model

HELLO = [ChatMessage(role="user", content="Hello")]
ANSWER = ["Hel", "lo ", "7", " \n", "0"]


async def every_way(talk, caller):
    """Ask whole and streamed, as chat and as completion."""
    chat = await caller.call(talk.llm, "chat", HELLO)
    complete = await caller.call(talk.llm, "complete", "Hello")
    chats = await caller.items(talk.llm, "stream_chat", HELLO)
    completions = await caller.items(talk.llm, "stream_complete", "Hello")
    return chat, complete, chats, completions


async def test_all_ways_of_asking_give_the_same_text_and_counts(script, shape, caller):
    end = End("stop", 7, 5)
    talk = script(*[[*map(Text, ANSWER), end]] * 4, shape=shape)
    chat, complete, chats, completions = await every_way(talk, caller)
    assert isinstance(chat, ChatResponse)
    assert isinstance(complete, CompletionResponse)
    texts = {chat.message.content, complete.text, chats[-1].message.content, completions[-1].text}
    assert texts == {"Hello 7 \n0"}
    for last in (chat, complete, chats[-1], completions[-1]):
        counted = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        assert last.additional_kwargs == counted
        assert last.raw["usage"].items() >= counted.items()
        assert last.raw["finish_reason"] == "stop"


async def test_all_ways_of_asking_send_the_same_body(script, caller):
    talk = script(*["Hi"] * 4)
    await every_way(talk, caller)
    whole = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2048}
    assert talk.bodies == [whole, whole, whole | {"stream": True}, whole | {"stream": True}]


async def test_streams_are_cumulative_with_text_deltas(script, shape, caller):
    talk = script(ANSWER, ANSWER, shape=shape)
    for method, question, text in (
        ("stream_chat", HELLO, lambda item: item.message.content),
        ("stream_complete", "Hello", lambda item: item.text),
    ):
        items = await caller.items(talk.llm, method, question)
        assert all(isinstance(item.delta, str) for item in items)
        grown = ""
        for item in items:
            grown += item.delta
            assert text(item) == grown
        assert len(items) > len(ANSWER) / 2  # in pieces, not at the end


@pytest.mark.parametrize("asked", [("stream_chat", HELLO), ("stream_complete", "Hello")], ids=["chat", "complete"])
async def test_streaming_methods_return_generators(script, asked):
    method, question = asked
    talk = script("a", "b")
    stream = getattr(talk.llm, method)(question)
    assert inspect.isgenerator(stream)
    stream.close()
    promise = getattr(talk.llm, f"a{method}")(question)
    assert inspect.iscoroutine(promise)
    stream = await promise
    assert inspect.isasyncgen(stream)
    assert [item.delta async for item in stream] == ["a", ""]


async def test_an_empty_answer_still_gives_an_item(script, caller):
    talk = script([End("stop", 1, 0)])
    [item] = await caller.items(talk.llm, "stream_chat", HELLO)
    assert (item.message.content, item.delta) == ("", "")


def test_metadata():
    from llama_index_cf_llama import CloudflareLlama

    metadata = CloudflareLlama(max_tokens=900).metadata
    assert (metadata.context_window, metadata.num_output) == (24_000, 900)
    assert metadata.is_chat_model
    assert metadata.is_function_calling_model
    assert metadata.model_name == MODEL
    assert CloudflareLlama().metadata.num_output == 2048
    assert CloudflareLlama.class_name() == "CloudflareLlama"


async def test_a_call_wins_over_additional_kwargs_over_fields(script, caller):
    talk = script("a", "b", temperature=0.1, seed=5, additional_kwargs={"temperature": 0.2, "top_k": 3})
    await caller.call(talk.llm, "chat", HELLO)
    await caller.call(talk.llm, "complete", "Hello", temperature=0.3, stop=None, max_tokens=9)
    first, second = talk.bodies
    assert (first["temperature"], first["top_k"], first["seed"], first["max_tokens"]) == (0.2, 3, 5, 2048)
    assert (second["temperature"], second["top_k"], second["seed"], second["max_tokens"]) == (0.3, 3, 5, 9)
    assert talk.llm.temperature == 0.1


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"temprature": 1}, "temprature: no such setting"),
        ({"temperature": 9}, "temperature: .*0 to 5"),
        ({"tool_choice": "add"}, "tool_choice is 'add', but no tools are offered"),
        ({"response_format": {"type": "xml"}}, "response_format must be"),
    ],
)
async def test_bad_input_is_refused_by_name_before_a_request(rules, caller, method, given, reason):
    talk = rules()
    with pytest.raises(InvalidRequestError, match=reason):
        await caller.call(talk.llm, method, HELLO, **given)
    assert talk.bodies == []


async def test_another_model_and_gateway_for_one_call(rules, caller):
    talk = rules()
    answer = await caller.call(talk.llm, "chat", HELLO, gateway="my-gateway", session_id="s-1")
    assert answer.raw["cache_status"] == "MISS"
    assert answer.raw["gateway_log_id"]
    headers = talk.emulator.requests[-1].headers
    assert (headers["cf-aig-gateway-id"], headers["x-session-affinity"]) == ("my-gateway", "s-1")
    assert headers["user-agent"].startswith("llama_index_cf_llama/")


async def test_stop_cuts_whole_and_streamed_answers(script, caller):
    talk = script("one END two", "one END two", stop=["END"])
    assert (await caller.call(talk.llm, "chat", HELLO)).message.content == "one "
    assert (await caller.items(talk.llm, "stream_chat", HELLO))[-1].message.content == "one "


class TestComplete:
    """`complete` as chat, as a prompt, raw, and with a fine-tune."""

    async def test_goes_as_a_user_message_unless_told_otherwise(self, rules, caller):
        talk = rules()
        assert (await caller.call(talk.llm, "complete", "Hello")).text == "You said: Hello"
        assert talk.bodies[0]["messages"] == [{"role": "user", "content": "Hello"}]

    @pytest.mark.parametrize("method", ["complete", "stream_complete"])
    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({"complete_as": "prompt"}, {"prompt": "Hello"}),
            ({"raw": True, "formatted": True}, {"prompt": "Hello", "raw": True}),
            ({"lora": "my-tune"}, {"prompt": "Hello", "lora": "my-tune"}),
            ({"lora": "t", "complete_as": "chat"}, {"messages": [{"role": "user", "content": "Hello"}], "lora": "t"}),
        ],
    )
    async def test_goes_as_a_prompt_where_asked(self, rules, caller, method, given, sent):
        talk = rules()
        answer = await caller.call(talk.llm, method, "Hello", **given)
        if method == "stream_complete":
            answer = [item async for item in answer][-1] if caller.asynchronous else list(answer)[-1]
        assert answer.text == "You said: Hello"
        [body] = talk.bodies
        assert {name: body.get(name) for name in ("messages", "prompt", "raw", "lora") if name in body} == sent

    async def test_fields_decide_as_well(self, rules, caller):
        talk = rules(complete_as="prompt", lora="my-tune")
        await caller.call(talk.llm, "complete", "Hello")
        assert (talk.bodies[0]["prompt"], talk.bodies[0]["lora"]) == ("Hello", "my-tune")

    async def test_completion_to_prompt_is_applied_once(self, rules, caller):
        talk = rules(complete_as="prompt", completion_to_prompt=lambda prompt: f"<{prompt}>")
        await caller.call(talk.llm, "complete", "Hello")
        await caller.call(talk.llm, "complete", "Hello", formatted=True)
        assert [body["prompt"] for body in talk.bodies] == ["<Hello>", "Hello"]

    async def test_an_unknown_form_is_refused(self, rules, caller):
        with pytest.raises(InvalidRequestError, match="complete_as must be chat or prompt, not 'poem'"):
            await caller.call(rules().llm, "complete", "Hello", complete_as="poem")

    async def test_tools_do_not_go_with_a_prompt(self, rules, caller):
        tool = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}
        with pytest.raises(InvalidRequestError, match="tools and functions go with messages"):
            await caller.call(rules(complete_as="prompt").llm, "complete", "Hello", tools=[tool])


class TestEvents:
    """One event a call, exact counts, nothing secret."""

    @pytest.mark.parametrize(
        ("method", "question", "kinds"),
        [
            ("chat", HELLO, [LLMChatStartEvent, LLMChatEndEvent]),
            ("stream_chat", HELLO, [LLMChatStartEvent, LLMChatEndEvent]),
            ("complete", "Hello", [LLMCompletionStartEvent, LLMCompletionEndEvent]),
            ("stream_complete", "Hello", [LLMCompletionStartEvent, LLMCompletionEndEvent]),
        ],
    )
    async def test_one_call_is_one_event_counted_exactly(self, script, caller, events, method, question, kinds):  # noqa: PLR0917 - fixtures
        counter = TokenCountingHandler()
        talk = script([Text("Hi"), End("stop", 1234, 56)], callback_manager=CallbackManager([counter]))
        ask = caller.items if method.startswith("stream") else caller.call
        await ask(talk.llm, method, question)
        llm_events = [event for event in events if event.class_name().startswith(("LLMChat", "LLMCompletion"))]
        names = [type(event) for event in llm_events if "Progress" not in event.class_name()]
        assert names == kinds
        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1234, 56)
        assert len(counter.llm_token_counts) == 1
        assert talk.emulator.api_token not in repr([event.model_dump() for event in events])

    async def test_a_failure_in_a_stream_is_reported_with_what_came(self, script, caller, events):
        talk = script([Text("Hel"), Text("lo"), ServiceError(500, 3043, "Internal server error")])
        items = []
        with pytest.raises(StreamInterruptedError, match="Internal server error") as caught:
            await caller.items(talk.llm, "stream_chat", HELLO, into=items)
        assert "".join(item.delta for item in items) == "Hello"
        assert caught.value.partial.text == "Hello"
        assert [event for event in events if isinstance(event, ExceptionEvent)]

    async def test_the_rate_limiter_is_asked_once_a_call(self, rules, caller):
        class Limiter:
            asked = 0

            def acquire(self):
                self.asked += 1

            async def async_acquire(self):
                self.asked += 1

        limiter = Limiter()
        talk = rules(rate_limiter=limiter)
        await caller.call(talk.llm, "complete", "Hello")
        await caller.items(talk.llm, "stream_chat", HELLO)
        assert limiter.asked == 2


class Endless:
    """An engine that never stops by itself."""

    name = "endless"

    def __init__(self):
        self.stopped = threading.Event()

    async def answer(self, ask):
        try:
            while True:
                yield Text("and ")
                await asyncio.sleep(0.001)
        finally:
            self.stopped.set()


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
async def test_leaving_a_stream_early_ends_it_at_the_service(caller, method):
    engine = Endless()
    question = HELLO if method == "stream_chat" else "Hello"
    with serve(engine) as emulator:
        stream = await caller.call(model(emulator), method, question)
        if caller.asynchronous:
            assert (await anext(stream)).delta
            await stream.aclose()
        else:
            assert next(stream).delta
            stream.close()
        del stream
        assert await asyncio.to_thread(engine.stopped.wait, 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("native-numbers.sse", None),
        ("hybrid-numbers.sse", "Seven is 7 \n0"),
        ("openai-numbers.sse", "The answer is 60."),
        ("stream-quirks.sse", "no space, line\u2028separator\u0085"),
        ("end-without-done.sse", "Hello"),
        ("end-empty.sse", ""),
    ],
)
async def test_recorded_streams_lose_nothing(script, caller, recorded, name, text):
    stream = Raw(200, {"content-type": "text/event-stream"}, [(recorded / name).read_bytes()])
    talk = script(stream)
    items = await caller.items(talk.llm, "stream_chat", HELLO)
    assert "".join(item.delta for item in items) == items[-1].message.content
    assert items[-1].message.content == text or (text is None and any(map(str.isdigit, items[-1].message.content)))


@pytest.mark.parametrize("name", ["hybrid-calls-parallel.sse", "hybrid-call-fragmented.sse", "native-call-whole.sse"])
async def test_recorded_calls_keep_one_id_through_a_stream(script, caller, recorded, name):
    tools = [
        {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}
        for name in ("get_status", "look")
    ]
    stream = Raw(200, {"content-type": "text/event-stream"}, [(recorded / name).read_bytes()])
    items = await caller.items(script(stream).llm, "stream_chat", HELLO, tools=tools)
    selected = [tool_selections(item.message) for item in items]
    ids = [[call.tool_id for call in calls] for calls in selected if calls]
    assert ids
    assert all(found == ids[0] for found in ids)
