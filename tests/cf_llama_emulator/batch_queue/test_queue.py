"""Batches over HTTP: submitted, answered in the background, polled."""

import re
import time

import pytest

from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import Raw
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import MODEL, Client
from tests.cf_llama_emulator.server.test_app import UUID, refusal


def submit(client, *items, faults="", **body):
    url = f"{client.account}/ai/run/{MODEL}?queueRequest=true"
    return client.http.post(url, json={"requests": list(items), **body}, headers={"x-emulator-faults": faults})


def queued(client, *items, faults=""):
    answer = submit(client, *items, faults=faults)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]["request_id"]


def poll(client, request_id):
    return client.run({"request_id": request_id})


def results(client, request_id):
    """Return the `result` of the poll that first has one."""
    for _ in range(100):
        result = poll(client, request_id).json()["result"]
        if result.get("status") not in {"queued", "running"}:
            return result
        time.sleep(0.01)
    raise AssertionError(result)


def prompts(*texts):
    return [{"prompt": text, "external_reference": f"ref-{text}"} for text in texts]


@pytest.mark.parametrize(("faults", "status"), [("", 200), ("queue-accepted", 202)])
def test_a_submission_is_acknowledged(rules, faults, status):
    answer = submit(rules, {"prompt": "One"}, faults=faults)
    assert answer.status_code == status
    body = answer.json()
    assert body["success"] is True
    assert re.fullmatch(UUID, body["result"]["request_id"])
    assert body["result"] == {"status": "queued", "request_id": body["result"]["request_id"], "model": MODEL}


def test_form_1_lists_responses_and_one_usage(rules):
    result = results(rules, queued(rules, *prompts("One", "Two")))
    assert [(item["id"], item["external_reference"]) for item in result["responses"]] == [
        (0, "ref-One"),
        (1, "ref-Two"),
    ]
    assert result["responses"][1]["result"] == {"response": "You said: Two", "tool_calls": []}
    assert result["usage"] == {"prompt_tokens": 2, "completion_tokens": 10, "total_tokens": 12}
    assert result.keys() == {"responses", "usage"}


def test_form_2_lists_results_with_a_usage_each(rules):
    result = results(rules, queued(rules, *prompts("One"), faults="queue-form=2"))
    [item] = result["results"]
    assert (item["index"], item["success"], item["external_reference"]) == (0, True, "ref-One")
    assert item["result"]["usage"]["completion_tokens"] == 5


def test_form_3_is_the_answer_itself_where_there_is_one(rules):
    assert results(rules, queued(rules, *prompts("One"), faults="queue-form=3"))["response"] == "You said: One"
    assert len(results(rules, queued(rules, *prompts("One", "Two"), faults="queue-form=3"))["responses"]) == 2


def test_without_an_envelope_neither_submission_nor_poll_has_one(rules):
    submitted = submit(rules, {"prompt": "a"}, faults="bare").json()
    assert submitted["status"] == "queued"
    results(rules, submitted["request_id"])
    assert "responses" in rules.run({"request_id": submitted["request_id"]}, x_emulator_faults="bare").json()


def test_results_may_be_nested_once_more(rules):
    result = results(rules, queued(rules, *prompts("One"), faults="queue-nested"))
    assert result["responses"][0]["result"]["result"]["response"] == "You said: One"


@pytest.mark.parametrize(
    ("keyed", "names"),
    [
        ("both", {"id", "external_reference"}),
        ("number", {"id"}),
        ("reference", {"external_reference"}),
        ("none", set()),
    ],
)
def test_a_result_says_whose_it_is(rules, keyed, names):
    result = results(rules, queued(rules, *prompts("One"), faults=f"queue-keyed={keyed}"))
    assert result["responses"][0].keys() & {"id", "external_reference"} == names


def test_the_order_changes_on_demand_but_not_whose_a_result_is(rules):
    request_id = queued(rules, *prompts(*map(str, range(20))), faults="queue-shuffled")
    items = results(rules, request_id)["responses"]
    assert [item["id"] for item in items] != list(range(20))
    assert all(item["result"]["response"] == f"You said: {item['id']}" for item in items)
    assert [item["id"] for item in results(rules, request_id)["responses"]] != [item["id"] for item in items]


def test_items_fail_and_go_missing_for_good(rules):
    request_id = queued(rules, *prompts(*map(str, range(40))), faults="queue-failed=0.5, queue-missing=0.3")
    items = results(rules, request_id)["responses"]
    failed = [item for item in items if not item["success"]]
    assert 0 < len(failed) < len(items) < 40
    assert all(item["error"]["code"] == 3043 and "result" not in item for item in failed)
    assert results(rules, request_id)["responses"] == items


def test_a_failure_of_form_2_is_a_text(rules):
    result = results(rules, queued(rules, *prompts("One"), faults="queue-failed, queue-form=2"))
    assert result["results"][0]["error"] == "AiError: Internal server error"


def test_what_the_engine_refuses_fails_alone(script):
    client = script("One", ServiceError(400, 5024, "JSON Mode couldn't be met"), Raw(chunks=[b"x"]))
    items = results(client, queued(client, *prompts("a", "b", "c")))["responses"]
    assert [item["success"] for item in items] == [True, False, False]
    assert items[1]["error"] == {"code": 5024, "message": "AiError: JSON Mode couldn't be met"}
    assert "raw answer" in items[2]["error"]["message"]


def test_too_long_an_item_fails_alone(rules):
    items = results(rules, queued(rules, {"prompt": "x", "max_tokens": 24_000}, {"prompt": "x"}))["responses"]
    assert [item["success"] for item in items] == [False, True]
    assert items[0]["error"]["code"] == 5021


def test_results_come_in_every_shape_with_all_that_is_odd_about_answers(rules):
    faults = "shape=hybrid, empty-calls, tokens=text"
    [item] = results(rules, queued(rules, {"prompt": "Hello"}, faults=faults))["responses"]
    assert item["result"]["choices"][0]["message"]["content"] == item["result"]["response"] == "You said: Hello"
    assert item["result"]["tool_calls"] == [{}]


def test_a_delay_has_to_pass(rules):
    request_id = queued(rules, *prompts("One"), faults="queue-delay=0.2")
    assert poll(rules, request_id).json()["result"]["status"] == "queued"
    time.sleep(0.25)
    assert "responses" in results(rules, request_id)


def test_a_stuck_batch_stays_running(rules):
    request_id = queued(rules, *prompts("One"), faults="queue-stuck")
    time.sleep(0.05)
    assert poll(rules, request_id).json()["result"]["status"] == "running"


def test_an_expired_batch_is_as_unknown_as_one_that_never_was(rules):
    request_id = queued(rules, *prompts("One"), faults="queue-expired")
    time.sleep(0.1)
    assert refusal(poll(rules, request_id)) == refusal(poll(rules, "never-was"))
    assert poll(rules, "never-was").status_code == 400


def test_a_broken_batch_says_so_in_either_way(rules):
    assert refusal(poll(rules, queued(rules, *prompts("One"), faults="queue-broken")))[:2] == (500, 5001)
    assert results(rules, queued(rules, *prompts("One"), faults="queue-broken=status"))["status"] == "failed"


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"messages": [{"role": "user", "content": "Hi"}]}], "required properties at '/requests/0' are 'prompt'"),
        ([{"prompt": "x"}, {}], "required properties at '/requests/1' are 'prompt'"),
        ([{"prompt": ""}], "Length of '/requests/0/prompt' must be >= 1"),
        ([{"prompt": "x", "frequency_penalty": -1}], "'/requests/0/frequency_penalty' must be >= 0"),
        ([{"prompt": "x", "external_reference": 7}], "'/requests/0/external_reference'"),
    ],
)
def test_items_are_checked_by_the_pages_schema(rules, items, text):
    answer = submit(rules, *items)
    assert refusal(answer)[:2] == (400, 5006)
    assert text in refusal(answer)[2]


def test_a_batch_needs_requests(rules):
    answer = rules.http.post(f"{rules.account}/ai/run/{MODEL}?queueRequest=true", json={"prompt": "x"})
    assert refusal(answer)[:2] == (400, 5006)


def test_messages_are_taken_on_demand(rules):
    item = {"messages": [{"role": "user", "content": "Hi"}], "external_reference": "a"}
    result = results(rules, queued(rules, item, faults="queue-messages"))
    assert result["responses"][0]["result"]["response"] == "You said: Hi"
    item["messages"][0]["content"] = None
    assert refusal(submit(rules, item, faults="queue-messages"))[:2] == (400, 5006)


def test_a_prompt_is_taken_raw(script):
    client = script("One")
    results(client, queued(client, {"prompt": "<|begin_of_text|>x"}))
    [ask] = client.emulator._emulator.engine.asks
    assert (ask.prompt, ask.raw) == ("<|begin_of_text|>x", True)


def test_ten_megabytes_are_too_much(rules):
    answer = submit(rules, *({"prompt": "x" * 1_000_000} for _ in range(10)))
    assert refusal(answer)[:2] == (413, 3006)


def test_polls_do_not_count_for_the_rate_limit_and_submissions_do():
    with serve(faults="rate-limit=1") as emulator:
        client = Client(emulator)
        request_id = queued(client, *prompts("One"))
        assert all(poll(client, request_id).status_code == 200 for _ in range(3))
        assert refusal(submit(client, *prompts("Two")))[:2] == (429, 3021)
        client.http.close()


def test_the_flag_in_the_body_does_nothing(rules):
    answer = rules.run({"prompt": "Hello", "queueRequest": True})
    assert answer.json()["result"]["response"] == "You said: Hello"


def test_batches_survive_a_restart(tmp_path):
    path = tmp_path / "queue"
    with serve(queue_file=path) as emulator:
        client = Client(emulator)
        done, waiting = queued(client, *prompts("One")), queued(client, *prompts("Two"), faults="queue-delay=0.3")
        results(client, done)
        client.http.close()
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(line for line in lines if waiting.encode() not in line or b'"answers": null' in line))
    with serve(queue_file=path) as emulator:
        client = Client(emulator)
        assert results(client, done)["responses"][0]["result"]["response"] == "You said: One"
        assert results(client, waiting)["responses"][0]["result"]["response"] == "You said: Two"
        client.http.close()


def test_a_batch_may_have_only_so_many_items(rules):
    assert refusal(submit(rules, *prompts("One", "Two"), faults="queue-limit=1")) == (
        400,
        5006,
        "Bad input: Error: '/requests' must have at most 1 items",
    )
    assert submit(rules, *prompts("One"), faults="queue-limit=1").status_code == 200


@pytest.mark.parametrize(("faults", "raw"), [("", True), ("queue-templated", False)])
def test_a_prompt_is_continued_or_answered(script, faults, raw):
    client = script(lambda ask: str(ask.raw), "unused")
    result = results(client, queued(client, *prompts("One"), faults=faults))
    assert result["responses"][0]["result"]["response"] == str(raw)
