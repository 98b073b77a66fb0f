"""How faults are written, come together, and where they come from."""

import pytest

from cf_llama_emulator.faults import CATALOGUE, NO_FAULTS, FaultState, combined, read_plan
from cf_llama_emulator.faults.catalogue import listing
from cf_llama_emulator.faults.values import Place
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import Faults
from tests.cf_llama_emulator.client import ask_user

ASK = ask_user("Hello")


def test_reads_names_and_values():
    plan = read_plan(" cut = byte@3 ,gzip,, latency=0.5 ")
    assert plan.values == {"cut": Place("byte", 3), "gzip": "good", "latency": 0.5}
    assert read_plan("") == NO_FAULTS


@pytest.mark.parametrize(
    ("text", "complaint"), [("gzipp", "not 'gzipp'"), ("gzip=bad", "fault gzip must be one of good, broken")]
)
def test_refuses_what_it_does_not_know(rules, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_plan(text)
    with pytest.raises(ValueError, match=complaint):
        serve(faults=text)
    with pytest.raises(ValueError, match=complaint):
        rules.emulator.faults(text)
    answer = rules.run(ASK, x_emulator_faults=text)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 99_999)


def test_the_later_goes_over_the_earlier_and_none_forgets_it():
    assert combined(["latency=1, gzip", "latency=2"]).values == {"gzip": "good", "latency": 2}
    assert combined(["latency=1", "none"]) == NO_FAULTS
    assert combined(["none", "gzip"]).values == {"gzip": "good"}


def test_faults_act_in_the_order_of_the_catalogue():
    names = [fault.name for fault, _ in read_plan("gzip, cut, latency, capacity").of(object)]
    assert names == [name for name in CATALOGUE if name in {"gzip", "cut", "latency", "capacity"}]


def test_the_catalogue_can_be_listed():
    for width in (60, 80, 400):
        text = listing(width)
        assert max(map(len, text.splitlines())) <= width
        spoken = " ".join(text.split()).replace("| ", "|")
        for fault in CATALOGUE.values():
            assert f"{fault.name}{fault.takes.hint} {fault.does} [{fault.known}]" in spoken
            assert fault.does
            assert fault.known
            fault.takes.read(None)
        assert '"none" alone takes away' in spoken


def codes(*answers):
    return [answer.json()["errors"][0]["code"] if answer.status_code != 200 else 200 for answer in answers]


def test_faults_of_a_server_of_the_next_requests_and_of_a_header(script):
    client = script("One", "two", "three", "four", faults="capacity")
    client.emulator.faults("error=3043", "none")
    answers = [client.run(ASK), client.run(ASK), client.run(ASK), client.run(ASK, x_emulator_faults="none")]
    assert codes(*answers) == [3043, 200, 3040, 200]


def test_a_server_can_choose_for_each_request(script):
    client = script("One", "two", faults=lambda seen: "capacity" if b"busy" in seen.content else "")
    assert codes(client.run(ask_user("busy?")), client.run(ASK)) == [3040, 200]


@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_a_script_and_refusals_that_need_none_of_its_turns(script, stream):
    client = script([Faults("error=3050"), "lost"], [Faults("bare, json-answer"), "One"], Faults("gzip"), "four")
    body = ASK | {"stream": stream}
    first, second, third = client.run(body), client.run(body), client.run(body)
    assert codes(first) == [3050]
    assert second.json()["response"] == "One"
    assert third.headers["content-encoding"] == "gzip"
    client.emulator.faults("capacity")
    assert codes(client.run(body), client.run(body)) == [3040, 200]


def test_a_mistake_in_a_script_is_complained_about(script):
    client = script(lambda _: [Faults("gzipp"), "One"])
    answer = client.run(ASK)
    assert (answer.status_code, codes(answer)) == (400, [99_999])
    with pytest.raises(ValueError, match="not 'gzipp'"):
        client.emulator.close()


def test_some_faults_strike_only_so_often(rules):
    faults = {"x_emulator_faults": "capacity, times=2"}
    assert codes(*(rules.run(ask_user("Twice"), **faults) for _ in range(4))) == [3040, 3040, 200, 200]
    assert codes(rules.run(ask_user("Another"), **faults)) == [3040]


def test_fate_forgets_the_oldest():
    fault_state, plan = FaultState(), read_plan("capacity, times=1")
    for number in range(10_001):
        assert fault_state.still(plan, b"%d" % number) is plan
    assert fault_state.still(plan, b"10000") is NO_FAULTS
    assert fault_state.still(plan, b"0") is plan
