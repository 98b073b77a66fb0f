"""Calls that follow a limit, whichever way the service counts them: none lost, little time, few refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama import RateLimit
from cf_llama.transport.limits.pacer import Counting
from cf_llama.transport.limits.rate import RatePacer
from tests.cf_llama.transport.limits.simulation import COUNTINGS, Service, simulate

MANY = 3_000


@pytest.mark.parametrize("window", [6, 60])
@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_limit_that_is_told_is_kept(counting, window):
    service = Service(counting, 300, window, phase=0.37 * window)
    pacer = RatePacer(RateLimit(300, window))
    seconds, refused = simulate(pacer, service, MANY)
    assert seconds <= 1.05 * service.ideal(MANY, 100.0) + 1
    assert refused <= 0.02 * MANY
    assert pacer.requests <= 300


@pytest.mark.parametrize("window", [6, 60])
@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_limit_is_learned(counting, window):
    service = Service(counting, 300, window, phase=0.37 * window)
    pacer = RatePacer()
    seconds, refused = simulate(pacer, service, MANY)
    assert seconds <= 1.05 * service.ideal(MANY, 100.0) + 1
    assert refused <= 0.12 * MANY
    assert pacer.counting is (Counting.BUCKET if counting == "bucket" else pacer.counting)


@given(
    st.sampled_from(COUNTINGS),
    st.integers(2, 300),
    st.floats(0.5, 60),
    st.floats(0.5, 6),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 9),
)
def test_every_call_is_answered(counting, requests, window, times, phase, told, seed):  # noqa: PLR0917 - one a strategy
    service = Service(counting, requests, window, phase * window)
    pacer = RatePacer(RateLimit(requests, window) if told else None)
    calls = max(1, int(requests * times))
    seconds, _ = simulate(pacer, service, calls, seed=seed, latency=(0.001, 0.05))
    windows = calls / requests + 2  # more than is ever lost to what is not known
    assert seconds <= 1.2 * windows * window + 5


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.parametrize("told", [False, True])
def test_slow_answers_hold_nobody_up(counting, told):
    service = Service(counting, 300, 10)
    pacer = RatePacer(RateLimit(300, 10) if told else None)
    seconds, _ = simulate(pacer, service, 1_500, answering=7)
    assert seconds <= 1.05 * service.ideal(1_500, 100.0) + 7 + 4


@pytest.mark.parametrize("requests", [150, 600])
@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_limit_that_changes_is_found_again(counting, requests):
    service = Service(counting, 300, 6)

    def change(service):
        service.requests = requests

    seconds, _ = simulate(RatePacer(), service, 3_600, change=(12.5, change))
    rest = 3_600 - 900
    assert seconds <= 12.5 + (rest / requests + 3) * 6


def test_a_burst_that_falls_into_two_windows_is_found_out():
    service, pacer, begin = Service("fixed", 300, 2), RatePacer(), 101.9
    seconds, refused = simulate(pacer, service, MANY, begin=begin)
    assert seconds <= 1.05 * service.ideal(MANY, begin) + 3  # of which one window was taken for two
    assert refused <= 0.12 * MANY
    assert pacer.requests == 300


@pytest.mark.parametrize("counting", COUNTINGS)
def test_few_requests_are_refused_of_a_burst_of_twice_the_limit(counting):
    service, pacer = Service(counting, 100, 6), RatePacer()
    seconds, refused = simulate(pacer, service, 200)
    assert seconds <= 1.05 * service.ideal(200, 100.0) + 1.2  # of which sending takes 0.14
    assert refused <= 0.12 * 200


@pytest.mark.parametrize("window", [2, 60])  # a token in 0.1 s is many at the first probe, one in 3 s is none
def test_a_small_bucket_is_not_taken_for_a_window(window):
    service, pacer = Service("bucket", 20, window), RatePacer()
    seconds, refused = simulate(pacer, service, 100)
    assert pacer.counting is Counting.BUCKET
    assert seconds <= 1.05 * service.ideal(100, 100.0) + 1
    assert refused <= 15


@pytest.mark.parametrize("requests", [20, 100, 300])
@pytest.mark.parametrize("window", [10, 60])
def test_a_counter_that_weighs_the_window_before_holds_nobody_up(requests, window):  # such as that of HAProxy
    service, pacer = Service("weighted", requests, window, phase=0.3 * window), RatePacer()
    seconds, _ = simulate(pacer, service, 5 * requests)
    assert seconds <= 1.15 * service.ideal(5 * requests, 100.0) + 1


def test_a_small_limit_is_asked_beyond_only_now_and_then():
    service, pacer = Service("sliding", 20, 6), RatePacer()
    seconds, refused = simulate(pacer, service, 600)
    assert seconds <= 1.05 * service.ideal(600, 100.0) + 1
    assert refused <= 0.1 * 600


@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_burst_after_a_rest_is_paced_by_what_was_learned(counting):
    service, pacer = Service(counting, 100, 6), RatePacer()
    simulate(pacer, service, 350)
    seconds, refused = simulate(pacer, service, 350, begin=600.0)
    assert seconds <= 1.05 * service.ideal(350, 600.0) + 1.5
    assert refused <= 40


@pytest.mark.parametrize("counting", COUNTINGS)
def test_nobody_waits_where_no_limit_shows(counting):
    seconds, refused = simulate(RatePacer(), Service(counting, 1_000_000, 60), 1_000)
    assert refused == 0
    assert seconds <= 1.5  # of which sending takes 0.7


def test_a_wish_to_wait_is_kept():
    pacer = RatePacer()
    sent = pacer.begin(0.0)
    pacer.refused(sent, 0.1, retry_after=30)
    assert pacer.ready_at(1.0) == pytest.approx(30.1)


def test_a_wish_to_be_asked_again_at_once_is_no_loop_without_a_pause():
    pacer = RatePacer()
    for now in (0.0, 0.5, 1.0):
        pacer.refused(pacer.begin(now), now, retry_after=0)
        assert now + 0.1 < pacer.ready_at(now) < now + 0.5


def test_a_documented_limit_is_approached_with_care():
    many, few = RatePacer(), RatePacer(documented=300)
    for pacer in (many, few):
        simulate(pacer, Service("sliding", 1_000_000, 60), 290)
        now = 200.0
        on_trial = 0
        while pacer.ready_at(now) <= now:
            pacer.begin(now)
            on_trial += 1
        pacer.on_trial = on_trial
    assert few.on_trial <= many.on_trial <= 300


def test_what_was_not_sent_leaves_its_place_to_the_next():
    pacer = RatePacer(RateLimit(1, 60))
    sent = pacer.begin(0.0)
    assert pacer.ready_at(0.1) > 0.1
    pacer = RatePacer(RateLimit(1, 60))
    sent = pacer.begin(0.0)
    pacer.unsent(sent, 0.05)
    assert pacer.ready_at(0.1) <= 0.1
