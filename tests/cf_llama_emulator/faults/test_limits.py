"""What an account has used up, and when it may go on."""

import asyncio
import json
import time
from contextlib import ExitStack

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.faults import HEADER, read_plan
from cf_llama_emulator.faults.limits import COUNTINGS, DAY, Rate, UsageCounter, over_quota
from cf_llama_emulator.server.app import create_app
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.engine_protocol import Faults
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.models import MODEL


class Clock:
    now = 20_000 * DAY + 5

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("300", Rate(300)),
        ("20@10s", Rate(20, 10)),
        ("20@500ms,fixed", Rate(20, 0.5, "fixed")),
        ("7@2m,bucket", Rate(7, 120, "bucket")),
        ("5,sliding", Rate(5)),
    ],
)
def test_a_rate_is_read_and_written(text, rate):
    assert read_plan(f"bare, rate-limit={text}, latency=1").values["rate-limit"] == rate
    assert read_plan(str(read_plan(f"rate-limit={text}"))).values["rate-limit"] == rate


@pytest.mark.parametrize("text", ["many", "3@0s", "3@4", "3@4s,leaky", "-1", f"3@0.{'0' * 322}1ms,fixed"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"fault rate-limit must be REQUESTS.* sliding, fixed, bucket|one of"):
        read_plan(f"rate-limit={text}")


WINDOWS = [0.5, 8.0, 64.0, 128.0]
"""Seconds; powers of two, by which tokens divide without rounding."""


def _naively(rate, times):
    """Which of the requests at these times are admitted, counted as the words say it."""
    admitted, tokens, at = [], float(rate.requests), None
    for now in times:
        if rate.counting == "sliding":
            fits = sum(now - rate.seconds < each for each in admitted) < rate.requests
        elif rate.counting == "fixed":
            fits = sum(each // rate.seconds == now // rate.seconds for each in admitted) < rate.requests
        else:
            tokens = min(rate.requests, tokens + (0 if at is None else now - at) * rate.requests / rate.seconds)
            at, fits = now, tokens >= 1
            tokens -= fits
        if fits:
            admitted.append(now)
        yield fits


@given(
    st.builds(Rate, st.integers(0, 5), st.sampled_from(WINDOWS), st.sampled_from(COUNTINGS)),
    st.lists(st.integers(0, 40), max_size=60),
)
def test_requests_are_counted_in_three_ways(rate, pauses):
    clock = Clock()
    usage, times, found = UsageCounter(clock), [], []
    for pause in pauses:
        clock.now += pause
        times.append(clock.now)
        found.append(usage.has_room(rate))
        if found[-1]:
            usage.count(rate)
    assert found == list(_naively(rate, times))


def refused(plan, usage):
    """Return the code that a plan refuses with, or None."""
    try:
        plan.refuse(usage)
    except ServiceError as error:
        return error.code
    return None


def test_a_minute_holds_so_many_requests_and_refused_ones_do_not_count():
    clock = Clock()
    usage, two = UsageCounter(clock), read_plan("rate-limit=2")
    assert [refused(two, usage) for _ in range(4)] == [None, None, 3021, 3021]
    clock.now += 59
    assert refused(two, usage) == 3021
    clock.now += 1
    assert [refused(two, usage) for _ in range(3)] == [None, None, 3021]


@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_request_that_another_fault_refuses_does_not_count(counting):
    usage, one = UsageCounter(Clock()), read_plan(f"rate-limit=1@60s,{counting}")
    assert refused(read_plan("capacity-above=0").over(one), usage) == 3040
    assert [refused(one, usage) for _ in range(2)] == [None, 3021]


async def test_so_many_requests_are_answered_at_once():
    emulator = Emulator(RuleEngine(), Settings(faults="capacity-above=2, latency=0.2"))
    url = f"/client/v4/accounts/{emulator.settings.account_id}/ai/run/{MODEL}"
    headers = {"authorization": f"Bearer {emulator.settings.api_token}"}
    transport = httpx.ASGITransport(create_app(emulator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        for stream in (False, True):
            asked = (client.post(url, json={"prompt": "Hi", "stream": stream}) for _ in range(5))
            answers = await asyncio.gather(*asked)
            assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
            assert emulator.usage.under_way == 0
        left = asyncio.create_task(client.post(url, json={"prompt": "Hi"}))
        await asyncio.sleep(0.05)
        assert emulator.usage.under_way == 1
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert emulator.usage.under_way == 0


async def called(emulator, body, send, faults=""):
    """Ask an emulator without a socket between; `send` gets what it answers."""
    path = f"/client/v4/accounts/{emulator.settings.account_id}/ai/run/{MODEL}"
    headers = {"host": "127.0.0.1", "authorization": f"Bearer {emulator.settings.api_token}", HEADER: faults}
    told = {"path": path, "query_string": b"", "headers": [(name.encode(), headers[name].encode()) for name in headers]}
    left = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive():
        return left.pop() if left else await asyncio.Event().wait()

    await create_app(emulator)({"type": "http", "method": "POST"} | told, receive, send)


@pytest.mark.parametrize("faults", ["", "gzip"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_under_way_until_its_last_byte_goes_out(stream, faults):
    emulator, under_way = Emulator(RuleEngine()), []

    async def send(_):
        under_way.append(emulator.usage.under_way)

    await called(emulator, {"prompt": "Hi", "stream": stream}, send, faults)
    assert under_way == [1] * (len(under_way) - 1) + [0]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_breaks_off_is_no_longer_under_way(stream):
    emulator = Emulator(RuleEngine())

    async def send(message):
        raise RuntimeError("no line")

    with pytest.raises((RuntimeError, ExceptionGroup)):
        await called(emulator, {"prompt": "Hi", "stream": stream}, send)
    assert emulator.usage.under_way == 0


def wait_until_idle(emulator):
    """Wait, 10 s at most, until the server has noticed that its answers have nobody left to go to."""
    for _ in range(1000):
        if not emulator._emulator.usage.under_way:
            return
        time.sleep(0.01)
    pytest.fail("an answer is still under way")


def test_streams_count_until_their_clients_hang_up(script):
    client = script(*["One two three four"] * 5, faults="capacity-above=2")
    url = f"{client.account}/ai/run/{MODEL}"
    with ExitStack() as streams:
        for _ in range(2):
            asked = {"json": {"prompt": "Hi", "stream": True}, "headers": {HEADER: "hang"}}
            assert streams.enter_context(client.http.stream("POST", url, **asked)).status_code == 200
        answer = client.run({"prompt": "Hi"})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (429, 3040)
    wait_until_idle(client.emulator)
    assert client.run({"prompt": "Hi"}).status_code == 200


def test_faults_break_answers_off_and_a_limit_can_be_changed(script):
    client = script(*["One two three four"] * 5, faults="capacity-above=1")
    for fault in ("cut", "reset"):
        with pytest.raises(httpx.TransportError):
            client.run({"prompt": "Hi", "stream": True}, x_emulator_faults=fault)
        wait_until_idle(client.emulator)
        assert client.run({"prompt": "Hi"}).status_code == 200
    client.emulator.faults("capacity-above=0")
    assert [client.run({"prompt": "Hi"}).status_code for _ in range(2)] == [429, 200]


def test_a_day_holds_so_many_neurons_and_ends_at_midnight():
    clock = Clock()
    usage = UsageCounter(clock)
    assert over_quota(usage, 10) is None
    usage.spend(6)
    assert over_quota(usage, 10) is None
    usage.spend(6)
    assert over_quota(usage, 10).code == 4006
    clock.now += DAY - 6
    assert over_quota(usage, 10).code == 4006
    clock.now += 1
    assert over_quota(usage, 10) is None
    assert usage.neurons == 0


def test_a_server_counts_what_it_answers(script):
    client = script("One", "two", faults="rate-limit=1, quota=1000")
    assert client.run({"prompt": "Hi"}).status_code == 200
    answer = client.run({"prompt": "Hi"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (429, 3021)
    client = script("One", "two", faults="quota=0.1")
    assert client.run({"prompt": "Hi"}).status_code == 200
    assert client.run({"prompt": "Hi"}).json()["errors"][0]["code"] == 4006


def test_a_request_counts_once_also_when_its_script_brings_faults(script):
    client = script(*[[Faults("latency=0"), "One"]] * 3, faults="rate-limit=2")
    assert [client.run({"prompt": "Hi"}).status_code for _ in range(3)] == [200, 200, 429]
    client = script([Faults("rate-limit=0"), "One"])
    assert client.run({"prompt": "Hi"}).status_code == 429
