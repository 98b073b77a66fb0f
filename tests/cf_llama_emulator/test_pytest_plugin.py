"""The fixture, as the tests of others use it."""

import subprocess
import sys

import pytest

from cf_llama_emulator.pytest_plugin import VARIABLES
from tests.cf_llama_emulator.client import Client, ask_user

pytest_plugins = ["pytester"]

CLIENT = """
    import os, httpx, pytest

    def run(text, **headers):
        url = f"{os.environ['CLOUDFLARE_BASE_URL']}/accounts/{os.environ['CLOUDFLARE_ACCOUNT_ID']}"
        headers |= {"authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"}
        body = {"messages": [{"role": "user", "content": text}]}
        model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
        return httpx.post(f"{url}/ai/run/{model}", json=body, headers=headers)
"""


@pytest.fixture
def run_tests(pytester):
    """Return a function that runs the tests in a text and expects these outcomes."""

    def run(text, **outcomes):
        options = ("--asyncio-mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
        pytester.makepyfile(CLIENT + text)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *options)
        result.assert_outcomes(**outcomes)
        return result

    return run


def test_scripts_rules_and_faults_in_both_colours(run_tests):
    run_tests(
        """
    def test_rules(cf_llama_emulator):
        assert run("Hello").json()["result"]["response"] == "You said: Hello"
        assert [seen.body["messages"][0]["content"] for seen in cf_llama_emulator.requests] == ["Hello"]

    def test_script(cf_llama_emulator):
        assert cf_llama_emulator.requests == []
        cf_llama_emulator.say("One", cf_llama_emulator.call("add", a=1))
        assert cf_llama_emulator.remaining == 2
        assert run("Hello").json()["result"]["response"] == "One"
        assert run("Hello").json()["result"]["tool_calls"] == [{"name": "add", "arguments": {"a": 1}}]
        assert run("Hello").json()["errors"][0]["code"] == 99999
        assert cf_llama_emulator.remaining == 0

    def test_once_and_always(cf_llama_emulator):
        cf_llama_emulator.faults("capacity")
        cf_llama_emulator.always("retry-after=7")
        answers = [run("Hello"), run("Hello")]
        assert [answer.status_code for answer in answers] == [429, 200]
        assert [answer.headers["retry-after"] for answer in answers] == ["7", "7"]
        cf_llama_emulator.faults("capacity", "capacity")
        with pytest.raises(ValueError, match="not 'capaciti'"):
            cf_llama_emulator.always("capaciti")

    def test_after_it(cf_llama_emulator):
        answer = run("Hello")
        assert answer.status_code == 200
        assert "retry-after" not in answer.headers

    @pytest.mark.parametrize("text", ["One", "two"])
    async def test_async(cf_llama_emulator, text):
        cf_llama_emulator.say(text)
        assert run("Hello").json()["result"]["response"] == text
    """,
        passed=6,
    )


def test_the_environment_is_the_emulators_and_ends_with_the_test(run_tests, monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "mine")
    run_tests(
        f"""
    NAMES = {VARIABLES}

    def test_inside(cf_llama_emulator):
        assert "mine" not in [os.environ.get(name) for name in NAMES]
        assert os.environ["CLOUDFLARE_BASE_URL"] == cf_llama_emulator.base_url

    def test_after_it():
        assert {{os.environ[name] for name in NAMES}} == {{"mine"}}
    """,
        passed=2,
    )


def test_without_the_extra_a_test_that_asks_for_it_says_what_to_install(run_tests, pytester):
    pytester.makeconftest("import sys; sys.modules['starlette'] = None")
    result = run_tests(
        """
    def test_that_asks(cf_llama_emulator): ...

    def test_that_does_not(): ...
    """,
        errors=1,
        passed=1,
    )
    result.stdout.fnmatch_lines(["*pip install 'cf-llama?emulator?'*"])


def test_nothing_heavy_is_imported_at_the_start():
    code = """
import sys, pytest
before = set(sys.modules)
import cf_llama_emulator.pytest_plugin
print(*set(sys.modules) - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    imported = ran.stdout.split()
    assert {name.split(".")[0] for name in imported} <= {"cf_llama_emulator", "__future__", "dataclasses", "typing"}
    assert len(imported) < 10


def test_it_is_registered(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("cf_llama_emulator")


def test_in_this_very_suite(cf_llama_emulator):
    client = Client(cf_llama_emulator)
    assert client.result(ask_user("Hello"))["response"] == "You said: Hello"
    client.http.close()
