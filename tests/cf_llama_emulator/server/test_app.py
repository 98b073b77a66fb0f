"""Routes, and the order in which a request is checked."""

import json
import logging
import re
import socket

import httpx
import pytest

from cf_llama_emulator.server import serve
from tests.cf_llama_emulator.client import MODEL, Client, ask_user

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OTHER_ACCOUNT = "f" * 32


def refusal(answer):
    """Return status, code and text of a refusal, without prefixes and request id."""
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], re.sub(rf"^(AiError: )+| \({UUID}\)$", "", error["message"])


def test_run_answers_in_the_envelope_of_the_api(rules):
    answer = rules.run(ask_user("Hello"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "result": {
            "response": "You said: Hello",
            "tool_calls": [],
            "usage": {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8},
        },
        "success": True,
        "errors": [],
        "messages": [],
    }


def test_success_headers_name_the_request_and_its_price(rules):
    headers = rules.run(ask_user("Hello")).headers
    assert re.fullmatch(r"[0-9a-f]{16}-[A-Z]{3}", headers["cf-ray"])
    assert re.fullmatch(UUID, headers["cf-ai-req-id"])
    # 2 * 0.0266676660742342 + 6 * 0.204805329442024 = 1.2821673…
    assert headers["cf-ai-neurons"] == "1.28"
    assert headers["x-emulator-engine"] == "rule"
    assert not [name for name in headers if name.startswith("cf-aig-")]


def test_a_request_through_a_gateway_carries_the_gateways_headers(rules):
    headers = rules.run(ask_user("Hello"), cf_aig_gateway_id="default").headers
    assert headers["cf-aig-cache-status"] == "MISS"
    assert headers["cf-aig-provider"] == "workers-ai"
    assert headers["cf-aig-model"] == MODEL
    assert headers["cf-aig-log-id"]


def test_the_model_may_be_percent_encoded(rules):
    escaped = "%40cf%2Fmeta%2Fllama-3.3-70b-instruct-fp8-fast"
    answer = rules.run(ask_user("Hello"), model=escaped)
    assert answer.json()["result"]["response"] == "You said: Hello"
    assert rules.emulator.requests[-1].path.endswith(f"/ai/run/{MODEL}")


@pytest.mark.parametrize("model", ["@cf/meta/llama-3.3-70b-instruct-sd", "@cf/meta/llama-3.1-8b-instruct-fast"])
def test_other_text_models_answer_too(rules, model):
    assert rules.run(ask_user("Hello"), model=model).status_code == 200


def test_search_lists_models_by_part_of_the_name_and_costs_nothing(rules):
    answer = rules.http.get(f"{rules.account}/ai/models/search", params={"search": "fp8-fast"}).json()
    assert [model["name"] for model in answer["result"]] == [MODEL, "@cf/meta/ray-llama-3.3-70b-instruct-fp8-fast"]
    assert answer["result"][0]["properties"] == [{"property_id": "context_window", "value": "24000"}]
    nothing = rules.http.get(f"{rules.account}/ai/models/search", params={"search": "no such model"})
    assert (nothing.json()["success"], nothing.json()["result"]) == (True, [])
    assert nothing.headers["cf-ray"]


@pytest.mark.parametrize(("page", "shown"), [("1", 2), ("2", 0), ("9" * 5000, 2), ("0", 2), ("x", 2), ("", 2)])
def test_all_models_found_are_on_the_first_page_and_pages_end(rules, page, shown):
    query = {"search": "fp8-fast", "page": page, "per_page": "1"}
    answer = rules.http.get(f"{rules.account}/ai/models/search", params=query).json()
    told = {"count": shown, "page": 2 if page == "2" else 1, "per_page": 2, "total_count": 2}
    assert (len(answer["result"]), answer["result_info"]) == (shown, told)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": MODEL, "input": "Hello"}, (400, 5006, "required properties at '/' are 'messages'")),
        ({"input": "Hello"}, (400, 5006, "required properties at '/' are 'model'")),
        ({"model": "nobody", "input": "Hello"}, (400, 5007, "No such model nobody or task")),
    ],
)
def test_responses_are_unknown_to_these_models(rules, body, expected):
    status, code, text = refusal(rules.http.post(f"{rules.account}/ai/v1/responses", json=body))
    assert (status, code) == expected[:2]
    assert expected[2] in text


@pytest.mark.parametrize("path", ["/client/v4/nothing", "/", "/client/v4/accounts/" + OTHER_ACCOUNT + "/ai/nothing"])
def test_an_unknown_path_is_7000(rules, path):
    answer = rules.http.post(httpx.URL(rules.account).join(path))
    assert refusal(answer) == (400, 7000, "No route for that URI")
    assert answer.json()["result"] is None


@pytest.mark.parametrize("account", ["abc", "0123456789ABCDEF0123456789ABCDEF", "g" * 32])
@pytest.mark.parametrize("path", [f"ai/run/{MODEL}", "ai/v1/chat/completions", "ai/nothing"])
def test_a_malformed_account_is_7003_before_anything_else(rules, account, path):
    url = f"{rules.emulator.base_url}/accounts/{account}/{path}"
    status, code, text = refusal(httpx.post(url))
    assert (status, code) == (404, 7003)
    assert text.endswith(", perhaps your object identifier is invalid?")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"ai/run/{MODEL}"),
        ("PUT", "ai/v1/chat/completions"),
        ("GET", "ai/v1/models"),
        ("GET", "ai/v1/responses"),
        ("POST", "ai/models/search"),
    ],
)
def test_a_wrong_method_is_7001(rules, method, path):
    answer = rules.http.request(method, f"{rules.account}/{path}")
    assert refusal(answer) == (405, 7001, f"{method} not supported for requested URI.")


@pytest.mark.parametrize("route", [f"ai/run/{MODEL}", "ai/v1/chat/completions"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (400, 9106)),
        ({"authorization": "Basic abc"}, (400, 9106)),
        ({"authorization": "Bearer"}, (400, 9106)),
        ({"authorization": "Bearer two words"}, (400, 9106)),
        ({"x-auth-email": "a@b.example"}, (400, 9106)),
        ({"authorization": "Bearer wrong"}, (401, 10000)),
        ({"x-auth-email": "a@b.example", "x-auth-key": "wrong"}, (401, 10000)),
    ],
)
def test_credentials_come_before_the_body(rules, route, headers, expected):
    answer = httpx.post(f"{rules.account}/{route}", headers=headers, content=b"no json")
    assert refusal(answer)[:2] == expected
    assert "cf-ai-req-id" not in answer.headers


def test_the_right_token_for_another_account_is_403(rules):
    url = f"{rules.emulator.base_url}/accounts/{OTHER_ACCOUNT}/ai/run/{MODEL}"
    assert refusal(rules.http.post(url, json={})) == (403, 10000, "Authentication error")


def test_the_legacy_key_opens_too(rules):
    headers = {"x-auth-email": "a@b.example", "x-auth-key": rules.emulator.api_token}
    answer = httpx.post(f"{rules.account}/ai/run/{MODEL}", headers=headers, json=ask_user("Hello"))
    assert answer.status_code == 200


def test_account_and_token_may_be_chosen_or_left_open():
    with serve(account_id=OTHER_ACCOUNT, api_token="mine") as emulator:
        client = Client(emulator)
        assert (emulator.account_id, emulator.api_token) == (OTHER_ACCOUNT, "mine")
        assert client.run(ask_user("Hello")).status_code == 200
        client.http.close()
        assert "mine" not in repr(emulator) + repr(emulator._emulator)
    with serve(account_id=None, api_token=None) as emulator:
        headers = {"authorization": "Bearer anything"}
        url = f"{emulator.base_url}/accounts/{'9' * 32}/ai/run/{MODEL}"
        assert httpx.post(url, headers=headers, json=ask_user("Hello")).status_code == 200


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, 3003, "Incomplete request: no body")),
        (b"{", (400, 5006, "Bad input: Error: the request body is not valid JSON")),
        (b'{"prompt": NaN}', (400, 5006, "Bad input: Error: the request body is not valid JSON")),
        (b'{"prompt": "\xff"}', (400, 5006, "Bad input: Error: the request body is not valid JSON")),
        (
            b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            (400, 5006, "Bad input: Error: the request body is not valid JSON"),
        ),
        (b"[" * 100_000, (400, 5006, "Bad input: Error: the request body is not valid JSON")),
        (b"[]", (400, 5006, "Bad input: Error: Type mismatch of '/', 'object' not in 'array'")),
    ],
)
def test_the_body_comes_before_the_model(rules, content, expected):
    answer = rules.http.post(f"{rules.account}/ai/run/@cf/no/model", content=content)
    assert refusal(answer) == expected
    assert answer.json()["result"] == {}


def test_the_model_comes_before_the_schema(rules):
    answer = rules.run({"messages": 1}, model="@cf/no/model")
    assert refusal(answer) == (400, 5007, "No such model @cf/no/model or task")
    [error] = answer.json()["errors"]
    assert error["message"].endswith(f" ({answer.headers['cf-ai-req-id']})")


def test_the_schema_comes_before_the_context_window(rules):
    body = ask_user("x" * 100_000, top_k=0)
    assert refusal(rules.run(body))[1] == 5006


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", f"ai/run/{MODEL}", {}, (413, 3006)),
        ("POST", f"ai/run/{MODEL}", {"authorization": "Bearer wrong"}, (401, 10000)),
        ("PUT", f"ai/run/{MODEL}", {}, (405, 7001)),
        ("POST", "ai/v1/models", {}, (405, 7001)),
        ("POST", "ai/nothing", {}, (400, 7000)),
    ],
)
def test_a_body_beyond_the_limit_is_refused_in_its_turn(rules, method, path, headers, expected):
    answer = rules.http.request(method, f"{rules.account}/{path}", content=b" " * 10_000_001, headers=headers)
    assert refusal(answer)[:2] == expected
    assert rules.emulator.requests[-1].method == method


@pytest.mark.parametrize("path", ["ai/run/x", "ai/v1/models", "ai/nothing"])
def test_a_client_that_hangs_up_while_it_asks_is_no_failure(rules, caplog, path):
    caplog.set_level(logging.ERROR, "uvicorn.error")
    url = httpx.URL(f"{rules.account}/{path}")
    with socket.create_connection((url.host, url.port), timeout=5) as line:
        line.sendall(f"POST {url.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf".encode())
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
    assert caplog.records == []


def test_faults_in_several_headers_come_together(rules):
    url, bearer = f"{rules.account}/ai/run/{MODEL}", ("authorization", f"Bearer {rules.emulator.api_token}")
    faults = [("x-emulator-faults", text) for text in ("capacity", "status=503")]
    answer = httpx.post(url, json=ask_user("Hi"), headers=[bearer, *faults])
    assert refusal(answer)[:2] == (503, 3040)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(rules, caplog, status):
    caplog.set_level(logging.ERROR, "uvicorn.error")
    answer = rules.run(ask_user("Hi"), x_emulator_faults=f"capacity, gzip, status={status}")
    assert (answer.status_code, answer.content, caplog.records) == (status, b"", [])


def test_v1_answers_bare_with_the_requested_model(rules):
    answer = rules.v1(ask_user("Hello"))
    body = answer.json()
    assert body.pop("id").startswith("id-")
    assert isinstance(body.pop("created"), int)
    neurons = body["usage"].pop("neurons")
    assert neurons == pytest.approx(2 * 0.0266676660742342 + 6 * 0.204805329442024)
    assert body == {
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "You said: Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": 6,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def test_v1_needs_a_model_and_messages(rules):
    expected = (400, 5006, "Bad input: Error: required properties at '/' are 'model'")
    assert refusal(rules.http.post(f"{rules.account}/ai/v1/chat/completions", json=ask_user("Hello"))) == expected
    assert refusal(rules.v1(ask_user("Hello") | {"model": "gpt-4"})) == (400, 5007, "No such model gpt-4 or task")
    assert "required properties at '/' are 'messages'" in refusal(rules.v1({"prompt": "Hello"}))[2]


def test_v1_knows_max_completion_tokens(rules):
    choice = rules.v1(ask_user("Hello", max_completion_tokens=2)).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == "You sai"


def test_the_route_without_a_model_takes_it_from_the_body(rules):
    url = f"{rules.account}/ai/run"
    answer = rules.http.post(url, json={"model": MODEL, "input": ask_user("Hello")})
    assert answer.json()["result"]["response"] == "You said: Hello"
    assert (
        "choices"
        in rules.http.post(
            url, json={"model": MODEL, "input": ask_user("Hello")}, headers={"x-emulator-shape": "hybrid"}
        ).json()["result"]
    )
    for body, status, text in (
        ({"model": "@cf/no/model", "input": {}}, 404, "Model not found"),
        ({"model": MODEL}, 400, "User Input Error"),
        ({"input": {}}, 400, "User Input Error"),
    ):
        refused = rules.http.post(url, json=body)
        assert (refused.status_code, refused.json()["state"], refused.json()["error"]) == (
            status,
            "Failed",
            {"code": 7003, "message": text},
        )
    assert refusal(rules.http.post(url, json={"model": MODEL, "input": {}}))[1] == 5006


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
def test_a_request_may_choose_its_shape(rules, shape):
    result = rules.result(ask_user("Hello"), x_emulator_shape=shape)
    assert ("choices" in result, "response" in result) == (shape != "native", shape != "openai")


def test_an_unknown_shape_is_named(rules):
    expected = "cf_llama_emulator: x-emulator-shape must be one of native, hybrid, openai, not 'x'"
    assert refusal(rules.run(ask_user("Hello"), x_emulator_shape="x")) == (400, 99_999, expected)


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"host": "evil.example"}, "Host 'evil.example'"),
        ({"host": "evil.example:80"}, "Host 'evil.example'"),
        ({"origin": "https://evil.example"}, "origin 'https://evil.example'"),
        ({"origin": "null"}, "origin 'null'"),
    ],
)
def test_web_pages_are_kept_out(rules, headers, word):
    answer = rules.http.post(f"{rules.account}/ai/run/{MODEL}", json=ask_user("Hello"), headers=headers)
    assert answer.status_code == 403
    assert word in answer.text


@pytest.mark.parametrize("path", ["/v1/a/b/workers-ai/m", "/client/v4/accounts/a/ai/run", "/nothing"])
def test_web_pages_are_kept_out_of_every_route(rules, path):
    answer = rules.http.post(httpx.URL(rules.account).join(path), headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:8799", "[::1]:8799"])
def test_every_name_of_the_loopback_is_served(rules, host):
    assert rules.run(ask_user("Hello"), host=host).status_code == 200


def test_hosts_and_origins_may_be_let_in():
    with serve(hosts=frozenset({"*"}), origins=frozenset({"https://mine.example"})) as emulator:
        client = Client(emulator)
        assert client.run(ask_user("Hi"), host="any.example", origin="https://mine.example").status_code == 200
        assert client.run(ask_user("Hi"), origin="https://other.example").status_code == 403
        assert client.run(ask_user("Hi")).status_code == 200
        asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        for origin, status in {"https://mine.example": 200, "https://other.example": 403}.items():
            answer = client.http.options(f"{client.account}/ai/run/{MODEL}", headers=asks | {"origin": origin})
            assert answer.status_code == status
            assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
        client.http.close()


def test_the_log_forgets_the_oldest_first():
    with serve(log_length=2) as emulator:
        client = Client(emulator)
        for word in ("one", "two", "three"):
            client.run({"prompt": word})
        client.http.close()
    assert [seen.body for seen in emulator.requests] == [{"prompt": "two"}, {"prompt": "three"}]


def test_the_log_keeps_refused_requests_and_bodies_that_are_no_json(rules):
    rules.http.post(f"{rules.account}/ai/run/{MODEL}?queueRequest=true", content=b"no json")
    seen = rules.emulator.requests[-1]
    assert (seen.query, seen.content) == ({"queueRequest": "true"}, b"no json")
    with pytest.raises(json.JSONDecodeError):
        _ = seen.body
