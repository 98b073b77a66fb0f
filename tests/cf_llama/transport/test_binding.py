"""A Worker's binding in place of HTTP: the same answers and errors, by asynchronous methods alone."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle

import pytest
from pydantic import ValidationError

from cf_llama import (
    MODEL,
    Budget,
    BudgetExceededError,
    ChatRequest,
    Gateway,
    InvalidRequestError,
    NotFoundError,
    RequestTimeoutError,
    ServiceError,
    Settings,
    StreamInterruptedError,
    Timeouts,
    Transport,
    WorkersAIError,
)
from cf_llama.transport.json_call import JSONRequest
from tests.bindings import EmulatorBinding, InferenceUpstreamError, RawResponse

MESSAGES = [{"role": "user", "content": "Hi"}]
HI = ChatRequest(messages=MESSAGES)
TOOL = {
    "name": "pay",
    "description": "Pay an amount",
    "parameters": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
}
SCHEMA = {"type": "object", "properties": {"stars": {"type": "integer"}}, "required": ["stars"]}


class Saying:
    """A binding that gives, or raises, what a test has it say."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.runs = []

    async def run(self, model, inputs, options):
        self.runs.append((model, inputs, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def over(binding, **settings):
    return Transport(Settings(binding=binding, **{"max_retries": 0} | settings).connection())


async def collect(transport, request=HI):
    return [delta async for delta in transport.astream(request)]


async def arun(transport, request=HI):
    return await transport.arun(request)


async def astream(transport, request=HI):
    return (await collect(transport, request))[-1].reply


@pytest.fixture(params=[arun, astream], ids=["whole", "streamed"])
def ask(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["raw", "content"])
def binding(request, cf_llama_emulator):
    return EmulatorBinding(cf_llama_emulator, raw=request.param)


@pytest.fixture
def faulty(binding):
    """A transport whose every request goes wrong in a way."""

    def make(fault, **settings):
        return over(binding, default_headers={"x-emulator-faults": fault}, **settings)

    return make


# what goes out


async def test_neither_account_nor_token_is_needed_or_used(monkeypatch):
    for value in ("", "of another"):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", value)
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", value)
        binding = Saying({"response": "Hello"})
        assert (await over(binding).arun(HI)).text == "Hello"
        assert binding.runs == [(MODEL, {"messages": MESSAGES, "max_tokens": 2048}, {"returnRawResponse": True})]


async def test_settings_that_are_headers_over_http_are_options():
    binding = Saying({"response": "Hello"})
    gateway = Gateway(
        id="gw",
        cache_ttl=60,
        cache_key="k",
        skip_cache=False,
        collect_log=True,
        metadata={"user": 7},
        event_id="e",
        request_timeout=1.5,
        max_attempts=2,
        retry_delay=0.25,
        backoff="linear",
    )
    settings = {"session_id": "s", "default_headers": {"X-Own": "1"}, "reject_if_busy": True}
    request = ChatRequest(messages=MESSAGES, reject_if_busy=True)
    await over(binding, gateway=gateway, **settings).arun(request)
    ((_, inputs, options),) = binding.runs
    assert "options" not in inputs
    assert options == {
        "rejectIfBusy": True,
        "returnRawResponse": True,
        "extraHeaders": {"x-own": "1", "x-session-affinity": "s"},
        "gateway": {
            "id": "gw",
            "cacheTtl": 60,
            "cacheKey": "k",
            "skipCache": False,
            "collectLog": True,
            "metadata": {"user": 7},
            "eventId": "e",
            "requestTimeoutMs": 1500,
            "retries": {"maxAttempts": 2, "retryDelayMs": 250, "backoff": "linear"},
        },
    }


async def test_a_gateways_own_host_is_refused():
    with pytest.raises(InvalidRequestError, match="legacy_host sets another host"):
        over(Saying(), gateway=Gateway(id="gw", legacy_host=True))


async def test_a_gateways_cache_is_used_and_told(binding):
    reply = await over(binding, gateway="gw").arun(HI)
    assert (await over(binding, gateway=Gateway(id="gw", skip_cache=True)).arun(HI)).text == reply.text
    assert binding.emulator.requests[0].headers["cf-aig-gateway-id"] == "gw"
    assert binding.emulator.requests[1].headers["cf-aig-skip-cache"] == "true"


# what comes back


async def test_answers_whole_and_streamed(ask, binding):
    reply = await ask(over(binding))
    assert reply.text == "You said: Hi"
    assert reply.usage.completion_tokens == 5
    ((model, inputs, _),) = binding.runs
    assert (model, inputs.get("stream", False)) == (MODEL, ask is astream)


async def test_a_stream_comes_piece_by_piece(binding):
    *deltas, last = await collect(over(binding))
    assert [delta.text for delta in deltas] == ["You", " said", ":", " Hi"]
    assert last.reply.text == "You said: Hi"


async def test_a_stream_that_is_left_is_closed(binding):
    async with contextlib.aclosing(over(binding).astream(HI)) as stream:
        assert (await anext(stream)).text == "You"
        assert not binding.closed.is_set()
    await asyncio.wait_for(binding.closed.wait(), 30)


async def test_tools_and_json_mode(ask, binding, cf_llama_emulator):
    cf_llama_emulator.say(cf_llama_emulator.call("pay", amount=12.5), '{"stars": 4}')
    (call,) = (await ask(over(binding), ChatRequest(messages=MESSAGES, tools=[TOOL]))).tool_calls
    assert (call.name, call.arguments) == ("pay", {"amount": 12.5})
    form = {"type": "json_schema", "json_schema": SCHEMA}
    assert '"stars": 4' in (await ask(over(binding), ChatRequest(messages=MESSAGES, response_format=form))).text


def in_a_response(body):
    return RawResponse(200, {}, body)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, in_a_response])
async def test_bytes_keep_every_digit(wrap):
    body = b'{"response": {"amount": 12345678901234567890.10}}'
    assert (await over(Saying(wrap(body))).arun(HI)).text == '{"amount": 12345678901234567890.10}'


async def test_headers_are_read_without_those_that_fit_the_packed_body():
    headers = {"CF-Ray": "8f0c", "Content-Encoding": "gzip", "Content-Length": "1"}
    reply = await over(Saying(RawResponse(200, headers, {"response": "Hello"}))).arun(HI)
    assert (reply.text, reply.response_metadata.ray_id) == ("Hello", "8f0c")


async def test_the_queue_is_an_option(binding):
    body = {"requests": [{"prompt": "Hi"}]}
    page = await over(binding).apost(JSONRequest(model=MODEL, content=body, repeatable=False))
    assert page.content["status"] == "queued"
    assert binding.runs[0][2]["queueRequest"] is True


# what goes wrong


@pytest.mark.parametrize("code", [3003, 3007, 3010, 3021, 3036, 3040, 3043, 3046, 5007, 5016, 5021, 5024, 8001])
async def test_errors_are_those_of_http(ask, faulty, cf_llama_emulator, code):
    fault = f"error={code}"
    settings = Settings(max_retries=0, rate_limit=False, default_headers={"x-emulator-faults": fault})
    with pytest.raises(WorkersAIError) as expected:
        await ask(Transport(settings.connection()))
    with pytest.raises(WorkersAIError) as caught:
        await ask(faulty(fault, rate_limit=False))
    assert type(caught.value) is type(expected.value)
    assert (caught.value.code, caught.value.message) == (code, expected.value.message)
    assert caught.value.is_retryable == expected.value.is_retryable


async def test_a_raw_response_keeps_status_and_headers(cf_llama_emulator):
    binding = EmulatorBinding(cf_llama_emulator)
    with pytest.raises(NotFoundError, match="No such model") as caught:
        await over(binding).arun(ChatRequest(messages=MESSAGES, model="@cf/no/model"))
    assert (caught.value.status, caught.value.code) == (400, 5007)
    assert caught.value.ray_id


@pytest.mark.parametrize(
    ("text", "status"),
    [("3040: No capacity", 429), ("5007: No such model", 404), ("3043: Internal error", 500), ("3030: No", 500)],
)
async def test_the_status_of_an_exception_is_the_last_calls_or_that_of_its_class(text, status):
    binding = Saying(*[InferenceUpstreamError(text)] * 2)
    with pytest.raises(WorkersAIError) as caught:
        await over(binding).arun(HI)
    assert (caught.value.status, caught.value.message) == (status, text.partition(": ")[2])
    binding.lastRequestHttpStatusCode = 418
    with pytest.raises(WorkersAIError) as caught:
        await over(binding).arun(HI)
    assert caught.value.status == 418


async def test_a_refusal_without_a_body_has_a_status():
    with pytest.raises(ServiceError, match="the service gave no reason") as caught:
        await over(Saying(RawResponse(502, {}, None))).arun(HI)
    assert caught.value.status == 502


@pytest.mark.parametrize("text", ["1234: no code of the service", "http://127.0.0.1:8001: not the service"])
async def test_an_exception_without_a_code_is_the_bindings_own(text):
    failure = ValueError(text)
    with pytest.raises(ValueError, match="the service") as caught:
        await over(Saying(failure)).arun(HI)
    assert caught.value is failure


async def test_a_refused_call_is_sent_again(ask):
    binding = Saying(InferenceUpstreamError("3043: Internal error"), {"response": "Hello"})
    assert (await ask(over(binding, max_retries=1))).text == "Hello"
    assert len(binding.runs) == 2


async def test_capacity_is_waited_for_as_over_http(ask, binding, cf_llama_emulator):
    cf_llama_emulator.faults("capacity")
    assert (await ask(over(binding, max_retries=2))).text == "You said: Hi"
    assert len(cf_llama_emulator.requests) == 2


async def test_a_binding_that_does_not_answer_is_given_up(ask, faulty):
    with pytest.raises(RequestTimeoutError):
        await ask(faulty("latency=600", timeout=0.1))


async def test_a_stream_that_stalls_is_given_up_with_what_has_come(faulty):
    with pytest.raises(StreamInterruptedError) as caught:
        await collect(faulty("hang=event@2", timeout=Timeouts(read=60, stall=2)))
    assert caught.value.partial.text == "You"


async def test_a_timeout_of_the_bindings_own_is_not_taken_for_ours():
    with pytest.raises(TimeoutError) as caught:
        await over(Saying(TimeoutError("of its own"))).arun(HI)
    assert not isinstance(caught.value, WorkersAIError)


async def test_a_call_beyond_the_budget_is_not_sent():
    binding = Saying({"response": "Hello", "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    budget = Budget(usd=0.01)
    await over(binding, budget=budget).arun(HI)
    assert 0 < budget.spent < 0.001
    with pytest.raises(BudgetExceededError):
        await over(binding, budget=Budget(usd=1e-9)).arun(HI)
    assert len(binding.runs) == 1


def test_synchronous_methods_are_refused_and_say_why():
    binding = Saying()
    transport = over(binding)
    post = JSONRequest(model=MODEL, content={}, repeatable=True)
    for call in (transport.run, lambda request: list(transport.stream(request)), lambda _: transport.post(post)):
        with pytest.raises(InvalidRequestError, match=r"asynchronous methods only, such as ainvoke.*one thread"):
            call(HI)
    assert binding.runs == []


# the setting


def test_it_is_shared_by_copies_and_neither_shown_nor_packed():
    binding = Saying()
    settings = Settings(binding=binding)
    assert copy.deepcopy(settings).binding is binding
    assert settings.model_copy(deep=True).binding is binding
    assert pickle.loads(pickle.dumps(settings)).binding is None
    assert "binding" not in repr(settings)
    assert "Saying" not in repr(settings.connection())
    assert "binding" not in settings.model_dump()


def test_it_can_be_given_for_one_call():
    binding = Saying()
    assert Settings().for_call({"binding": binding}).connection().binding is binding


@pytest.mark.parametrize("given", ["env.AI", object(), {"run": 1}])
def test_what_cannot_run_is_refused(given):
    with pytest.raises(ValidationError, match=r"binding must be a Worker's AI binding, as env\.AI, not"):
        Settings(binding=given)
