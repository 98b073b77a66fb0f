"""An emulator in a thread: it starts, is asked over a real socket, and stops without a trace."""

import threading

import httpx
import pytest

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def run(emulator, body, **headers):
    url = f"{emulator.base_url}/accounts/{emulator.account_id}/ai/run/{MODEL}"
    authorization = {"authorization": f"Bearer {emulator.api_token}"}
    return httpx.post(url, json=body, headers=authorization | headers)


def test_answers_on_a_free_loopback_port_and_keeps_a_log():
    with serve() as emulator:
        assert emulator.base_url.startswith("http://127.0.0.1:")
        assert emulator.base_url.endswith("/client/v4")
        answer = run(emulator, {"prompt": "Hello there"})
    assert answer.json()["result"]["response"] == "You said: Hello there"
    [seen] = emulator.requests
    assert (seen.method, seen.body) == ("POST", {"prompt": "Hello there"})
    assert seen.path.endswith(f"/ai/run/{MODEL}")
    assert seen.headers["authorization"] == "Bearer emulator-token"
    assert "emulator-token" not in repr(seen)


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104 - for a moment
    ],
)
def test_every_address_is_told_as_this_machine_reaches_it(host, reached):
    try:
        emulator = serve(host=host)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with emulator:
        assert emulator.base_url.startswith(reached)
        assert run(emulator, {"prompt": "Hello"}).status_code == 200


def test_two_emulators_at_once_do_not_share_anything():
    with serve(ScriptEngine(["one"])) as first, serve(ScriptEngine(["two"]), shape="hybrid") as second:
        assert run(second, {"prompt": "?"}).json()["result"]["choices"][0]["message"]["content"] == "two"
        assert run(first, {"prompt": "?"}).json()["result"] == {
            "response": "one",
            "tool_calls": [],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }


def test_close_ends_the_thread_and_frees_the_port():
    emulator = serve()
    before = threading.active_count()
    emulator.close()
    assert threading.active_count() == before - 1
    with pytest.raises(httpx.ConnectError):
        run(emulator, {"prompt": "Hello"})


def test_an_unknown_shape_is_refused_by_name():
    with pytest.raises(ValueError, match="shape must be one of native, hybrid, openai, not 'nativ'"):
        serve(shape="nativ")
