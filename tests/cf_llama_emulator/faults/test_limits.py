"""What an account has used up, and when it may go on."""

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.faults import read_plan
from cf_llama_emulator.faults.limits import COUNTINGS, DAY, Rate, UsageCounter, over_quota, over_rate
from cf_llama_emulator.server.app import create_app
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.engine_protocol import Faults
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


@pytest.mark.parametrize("text", ["many", "3@0s", "3@4", "3@4s,leaky", "-1"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"fault rate-limit must be REQUESTS.* sliding, fixed, bucket|one of"):
        read_plan(f"rate-limit={text}")


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
    st.builds(Rate, st.integers(0, 5), st.sampled_from([0.5, 10.0, 60.0, 90.0]), st.sampled_from(COUNTINGS)),
    st.lists(st.integers(0, 40), max_size=60),
)
def test_requests_are_counted_in_three_ways(rate, pauses):
    clock = Clock()
    usage, times, found = UsageCounter(clock), [], []
    for pause in pauses:
        clock.now += pause
        times.append(clock.now)
        found.append(usage.admits(rate))
    assert found == list(_naively(rate, times))


def test_a_minute_holds_so_many_requests_and_refused_ones_do_not_count():
    clock = Clock()
    usage, two = UsageCounter(clock), Rate(2)
    assert [over_rate(usage, two) is None for _ in range(4)] == [True, True, False, False]
    clock.now += 59
    assert over_rate(usage, two).code == 3021
    clock.now += 1
    assert [over_rate(usage, two) is None for _ in range(3)] == [True, True, False]


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
