"""The marker and the fixture, as the tests of others use them."""

import importlib.util

import pytest

from cf_llama_emulator.cassettes.format import read
from tests.cf_llama_emulator.cassettes.other_service import ACCOUNT, TEXT, TOKEN, OtherService, answers

pytest_plugins = ["pytester"]

TESTS = """
    import os, httpx, pytest

    def ask(text):
        url = f"{os.environ['CLOUDFLARE_BASE_URL']}/accounts/{os.environ['CLOUDFLARE_ACCOUNT_ID']}"
        headers = {"authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"}
        body = {"messages": [{"role": "user", "content": text}]}
        url = f"{url}/ai/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast"
        response = httpx.post(url, json=body, headers=headers, timeout=30)
        if response.status_code != 200:
            raise RuntimeError(response.json()["errors"][0]["message"])
        return response.json()["result"]["response"]
"""

ONE_TEST = (
    TESTS
    + f"""
    @pytest.mark.cassette
    def test_one():
        assert ask("Hi") == "{TEXT}"
"""
)


@pytest.fixture
def service():
    with OtherService(answers) as running:
        yield running


@pytest.fixture
def run_tests(pytester, service, monkeypatch):
    """Return a function that runs the tests in a text, with an account of the other server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(text, *options, account=ACCOUNT, **outcomes):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", service.base_url)
        pytester.makepyfile(test_them=text)
        asyncio = ("-o", "asyncio_default_fixture_loop_scope=function")
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *asyncio, *options)
        result.assert_outcomes(**outcomes)
        return result

    return run


@pytest.fixture
def cassettes(pytester):
    return pytester.path / "cassettes" / "test_them"


def test_once_records_and_then_nothing_is_sent(run_tests, cassettes, service):
    run_tests(ONE_TEST, "--record-mode=once", passed=1)
    run_tests(ONE_TEST, "--record-mode=once", passed=1)
    run_tests(ONE_TEST, passed=1)
    run_tests(ONE_TEST, "--record-mode=none", account="", passed=1)
    assert len(service.requests) == 1
    assert [path.name for path in cassettes.iterdir()] == ["test_one.jsonl"]
    assert not [secret for secret in (ACCOUNT, TOKEN) if secret in (cassettes / "test_one.jsonl").read_text("utf-8")]


def test_the_default_records_nothing_and_says_how(run_tests, service):
    result = run_tests(ONE_TEST, errors=1)
    result.stdout.fnmatch_lines(
        ["*there is no cassette *test_one.jsonl: record it with --record-mode=once and an account*"]
    )
    assert not service.requests


def test_recording_needs_an_account(run_tests):
    result = run_tests(ONE_TEST, "--record-mode=once", account="", errors=1)
    result.stdout.fnmatch_lines(["*--record-mode=once needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN*"])


def test_new_episodes_adds_and_all_begins_anew(run_tests, cassettes, service):
    run_tests(ONE_TEST, "--record-mode=once", passed=1)
    changed = ONE_TEST.replace('ask("Hi")', 'ask("Ho") == ask("Hi")')
    run_tests(changed, failed=1).stdout.fnmatch_lines(['*recorded "Hi", asked "Ho"*'])
    run_tests(changed, "--record-mode=new_episodes", passed=1)
    assert len(read(cassettes / "test_one.jsonl")) == len(service.requests) == 2
    run_tests(ONE_TEST, "--record-mode=all", passed=1)
    assert len(read(cassettes / "test_one.jsonl")) == 1
    assert len(service.requests) == 3


def test_names_of_files(run_tests, cassettes):
    text = (
        TESTS
        + """
    @pytest.mark.cassette("a name", scrub=["jane"])
    def test_named():
        ask("I am jane")

    class TestThem:
        @pytest.mark.cassette
        @pytest.mark.parametrize("word", ["plain", "with/slash"])
        def test_one(self, word):
            ask(word)

    def test_fixture(cf_llama_cassette):
        ask("Hi")
        assert cf_llama_cassette.path.exists() and cf_llama_cassette.records
        assert cf_llama_cassette.base_url == os.environ["CLOUDFLARE_BASE_URL"]
        assert cf_llama_cassette.api_token not in repr(cf_llama_cassette)
"""
    )
    run_tests(text, "--record-mode=once", passed=4)
    names = sorted(path.name for path in cassettes.iterdir())
    assert names[0] == "TestThem.test_one[plain].jsonl"
    assert names[1].startswith("TestThem.test_one[with-slash]-")
    assert names[2].startswith("a-name-")
    assert names[3] == "test_fixture.jsonl"
    assert "jane" not in (cassettes / names[2]).read_text("utf-8")


def test_a_slip_in_the_marker_is_named(run_tests):
    text = (
        TESTS
        + """
    @pytest.mark.cassette(speeed=1)
    def test_one():
        ask("Hi")

    @pytest.mark.cassette(scrub=["("])
    def test_two():
        ask("Hi")
"""
    )
    result = run_tests(text, "--record-mode=once", errors=2)
    result.stdout.fnmatch_lines(["*takes a name, scrub and speed: *speeed*", "*scrub pattern '(' is no regular*"])


@pytest.mark.skipif(not importlib.util.find_spec("pytest_recording"), reason="pytest-recording is not installed")
@pytest.mark.parametrize("options", [(), ("-p", "no:recording")])
def test_pytest_recording_may_be_there_too(run_tests, options):
    run_tests(ONE_TEST, *options, "--record-mode=once", passed=1)
    run_tests(ONE_TEST, *options, "--record-mode=none", passed=1)


def test_tests_without_a_cassette_import_no_emulator(run_tests):
    text = """
    import sys

    def test_it():
        assert not {"starlette", "uvicorn", "cf_llama_emulator.server"} & set(sys.modules)
"""
    run_tests(text, passed=1)
