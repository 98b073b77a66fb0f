"""The routes of embedding models."""

import re
from math import isclose

import pytest

from tests.cf_llama_emulator.client import MODEL

SMALL, M3 = "@cf/baai/bge-small-en-v1.5", "@cf/baai/bge-m3"
MODELS = [(SMALL, 384), ("@cf/baai/bge-base-en-v1.5", 768), ("@cf/baai/bge-large-en-v1.5", 1024), (M3, 1024)]
STORIES = ["This is a story about an orange cloud", "This is a story about a llama"]


def ask(client, model, body, **headers):
    return client.run(body, model=model, **headers)


def v1(client, body, **headers):
    return client.http.post(f"{client.account}/ai/v1/embeddings", json=body, headers=headers)


def refusal(answer):
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], re.sub(r"^(AiError: )+| \([-0-9a-f]{36}\)$", "", error["message"])


@pytest.mark.parametrize(("model", "dimensions"), MODELS)
def test_one_vector_for_each_text_in_the_envelope(rules, model, dimensions):
    answer = ask(rules, model, {"text": STORIES})
    result = answer.json()["result"]
    assert result.keys() == {"shape", "data", "pooling"}
    assert (result["shape"], result["pooling"]) == ([2, dimensions], "cls" if model == M3 else "mean")
    assert [len(vector) for vector in result["data"]] == [dimensions, dimensions]
    assert result["data"][0] != result["data"][1]
    assert answer.json() | {"result": None} == {"result": None, "success": True, "errors": [], "messages": []}
    assert answer.headers["x-emulator-engine"] == "rule"


def test_a_text_is_a_list_of_one(rules):
    one, many = (ask(rules, SMALL, {"text": text}).json()["result"] for text in (STORIES[0], STORIES))
    assert (one["shape"], one["data"]) == ([1, 384], many["data"][:1])


def test_each_model_and_pooling_has_vectors_of_its_own(rules):
    mean, default, cls = (
        ask(rules, SMALL, {"text": "Hello"} | pooling).json()["result"]
        for pooling in ({"pooling": "mean"}, {}, {"pooling": "cls"})
    )
    assert (mean["data"], mean["pooling"], cls["pooling"]) == (default["data"], "mean", "cls")
    assert mean["data"] != cls["data"]
    large = ask(rules, MODELS[2][0], {"text": "Hello", "pooling": "cls"}).json()["result"]
    assert large["data"] != ask(rules, M3, {"text": "Hello"}).json()["result"]["data"]


def test_a_query_scores_contexts_best_first(rules):
    contexts = [{"text": text} for text in STORIES]
    response = ask(rules, M3, {"query": "a llama's story", "contexts": contexts}).json()["result"]["response"]
    assert [entry["id"] for entry in response] == [1, 0]
    assert 1 > response[0]["score"] > response[1]["score"]


def test_contexts_without_a_query_are_embedded(rules):
    body = {"contexts": [{"text": text} for text in STORIES], "truncate_inputs": True}
    result = ask(rules, M3, body).json()["result"]
    assert (result["shape"], result["pooling"]) == ([2, 1024], "cls")
    assert result["response"] == ask(rules, M3, {"text": STORIES}).json()["result"]["data"]


def test_openais_route(rules):
    answer = v1(rules, {"model": SMALL, "input": STORIES})
    body = answer.json()
    assert body.keys() == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", SMALL)
    assert [(entry["object"], entry["index"]) for entry in body["data"]] == [("embedding", 0), ("embedding", 1)]
    vectors = ask(rules, SMALL, {"text": STORIES}).json()["result"]["data"]
    assert [entry["embedding"] for entry in body["data"]] == vectors
    assert body["usage"] == {"prompt_tokens": 18, "total_tokens": 18}
    assert v1(rules, {"model": SMALL, "input": STORIES[0]}).json()["data"] == body["data"][:1]


def test_the_price_of_the_model(rules):
    text = "x" * 400_000  # 100,000 tokens by the estimate
    assert ask(rules, MODELS[1][0], {"text": text}).headers["cf-ai-neurons"] == "605.80"


@pytest.mark.parametrize(
    ("model", "body", "text"),
    [
        (SMALL, {}, "oneOf at '/' not met, 0 matches: required properties at '/' are 'text'"),
        (SMALL, {"text": ""}, "Length of '/text' must be >= 1"),
        (SMALL, {"text": []}, "Length of '/text' must be >= 1"),
        (SMALL, {"text": ["a", ""]}, "Length of '/text/1' must be >= 1"),
        (SMALL, {"text": ["a"] * 101}, "Length of '/text' must be <= 100"),
        (SMALL, {"text": 1}, "Type mismatch of '/text', 'string' not in 'integer'"),
        (SMALL, {"text": ["a", 1]}, "Type mismatch of '/text/1', 'string' not in 'integer'"),
        (SMALL, {"text": "a", "pooling": "max"}, "'/pooling' must be one of 'mean,cls'"),
        (SMALL, {"query": "a", "contexts": []}, "required properties at '/' are 'text'"),
        (M3, {"query": "a"}, "required properties at '/' are 'contexts', required properties at '/' are 'text'"),
        (M3, {"text": "a", "contexts": []}, "oneOf at '/' not met, 2 matches"),
        (M3, {"query": "", "contexts": []}, "Length of '/query' must be >= 1"),
    ],
)
def test_a_body_that_the_page_does_not_allow_is_5006(rules, model, body, text):
    status, code, told = refusal(ask(rules, model, body))
    assert (status, code) == (400, 5006)
    assert text in told


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"input": "a"}, 5006, "required properties at '/' are 'model'"),
        ({"model": SMALL}, 5006, "required properties at '/' are 'input'"),
        ({"model": SMALL, "input": ""}, 5006, "Length of '/input' must be >= 1"),
        ({"model": SMALL, "input": ["a"] * 101}, 5006, "Length of '/input' must be <= 100"),
        ({"model": "nobody", "input": "a"}, 5007, "No such model nobody or task"),
        ({"model": MODEL, "input": "a"}, 5006, "required properties at '/' are 'prompt'"),
    ],
)
def test_refusals_of_openais_route(rules, body, code, text):
    status, told_code, told = refusal(v1(rules, body))
    assert (status, told_code) == (400, code)
    assert text in told


def test_an_unknown_embedding_model_is_5007(rules):
    unknown = "@cf/baai/bge-tiny"
    assert refusal(ask(rules, unknown, {"text": "a"})) == (400, 5007, f"No such model {unknown} or task")


def test_an_embedding_model_does_not_chat(rules):
    assert refusal(rules.v1({"model": SMALL, "messages": []}))[:2] == (400, 5007)


@pytest.mark.parametrize("body", [{"text": "a"}, {"requests": [{"text": "a"}]}])
def test_what_would_be_queued_is_refused_plainly(rules, body):
    url = f"{rules.account}/ai/run/{SMALL}?queueRequest={'true' if 'text' in body else 'false'}"
    assert refusal(rules.http.post(url, json=body))[1] == 99999


def test_credentials_and_faults_are_as_everywhere(rules):
    assert refusal(ask(rules, SMALL, {"text": "a"}, authorization="Bearer wrong"))[:2] == (401, 10000)
    assert refusal(ask(rules, SMALL, {"text": "a"}, x_emulator_faults="capacity"))[:2] == (429, 3040)
    bare = ask(rules, SMALL, {"text": "a"}, x_emulator_faults="bare").json()
    assert bare["shape"] == [1, 384]
    assert isclose(sum(value * value for value in bare["data"][0]), 1, abs_tol=1e-4)


def test_what_was_used_counts_towards_a_quota(script):
    client = script()
    assert ask(client, SMALL, {"text": "a" * 8_000_000}, x_emulator_faults="quota=3").status_code == 200
    refused = ask(client, SMALL, {"text": "a"}, x_emulator_faults="quota=3")
    assert (refused.status_code, client.emulator._emulator.usage.under_way) == (429, 0)


def test_the_gateway_keeps_answers(rules):
    url = f"{rules.emulator.base_url.removesuffix('/client/v4')}/v1/{rules.emulator.account_id}/mine/workers-ai"
    headers = {"cf-aig-cache-ttl": "60"}
    answers = [rules.http.post(f"{url}/{M3}", json={"text": "kept"}, headers=headers) for _ in range(2)]
    assert [answer.headers["cf-aig-cache-status"] for answer in answers] == ["MISS", "HIT"]
    assert answers[0].json() == answers[1].json()


def test_the_catalogue_names_them(rules):
    found = rules.http.get(f"{rules.account}/ai/models/search", params={"search": "bge-"}).json()["result"]
    assert [(entry["name"], entry["properties"][0]["value"]) for entry in found] == [(m, str(d)) for m, d in MODELS]
    assert {entry["task"]["name"] for entry in found} == {"Text Embeddings"}
