"""What an account has used up, and when it may go on."""

from cf_llama_emulator.faults.limits import DAY, Spending, over_quota, over_rate
from cf_llama_emulator.wire.engine_protocol import Faults


class Clock:
    now = 20_000 * DAY + 5

    def __call__(self):
        return self.now


def test_a_minute_holds_so_many_requests_and_refused_ones_do_not_count():
    clock = Clock()
    spending = Spending(clock)
    assert [over_rate(spending, 2) is None for _ in range(4)] == [True, True, False, False]
    clock.now += 59
    assert over_rate(spending, 2).code == 3021
    clock.now += 1
    assert [over_rate(spending, 2) is None for _ in range(3)] == [True, True, False]


def test_a_day_holds_so_many_neurons_and_ends_at_midnight():
    clock = Clock()
    spending = Spending(clock)
    assert over_quota(spending, 10) is None
    spending.spend(6)
    assert over_quota(spending, 10) is None
    spending.spend(6)
    assert over_quota(spending, 10).code == 4006
    clock.now += DAY - 6
    assert over_quota(spending, 10).code == 4006
    clock.now += 1
    assert over_quota(spending, 10) is None
    assert spending.neurons == 0


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
