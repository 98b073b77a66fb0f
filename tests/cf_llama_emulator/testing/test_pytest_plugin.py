"""The fixture, as the tests of others use it."""

import subprocess
import sys

import pytest

from cf_llama_emulator.testing.pytest_plugin import VARIABLES
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


def test_scripts_rules_and_faults_sync_and_async(run_tests):
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


INTEGRATIONS = """
    from langchain.agents import create_agent
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from llama_index.core import Document, SummaryIndex

    from cf_llama_emulator.testing import Faults
    from langchain_cf_llama import ChatCloudflareLlama
    from llama_index_cf_llama import CloudflareLlama
    from cf_llama import InvalidRequestError

    def order_status(order_id: str) -> str:
        \"""Look up where an order is.\"""
        return f"order {order_id} left Rotterdam"
"""


def test_chains_agents_and_query_engines_without_an_account(run_tests):
    pytest.importorskip("langchain", reason="the core is being tested alone")
    pytest.importorskip("llama_index.core", reason="the core is being tested alone")
    run_tests(
        INTEGRATIONS
        + """
    def test_chain(cf_llama_emulator):
        cf_llama_emulator.say("Goedemorgen.")
        prompt = ChatPromptTemplate.from_template("Translate into Dutch: {text}")
        chain = prompt | ChatCloudflareLlama(temperature=0) | StrOutputParser()
        assert chain.invoke({"text": "Good morning."}) == "Goedemorgen."
        [seen] = cf_llama_emulator.requests
        assert seen.body["messages"] == [{"role": "user", "content": "Translate into Dutch: Good morning."}]
        assert seen.body["temperature"] == 0

    async def test_chain_streams(cf_llama_emulator):
        cf_llama_emulator.say([Faults("shape=hybrid, text-at-end, split=3"), "Goede", "morgen."])
        chain = ChatCloudflareLlama() | StrOutputParser()
        assert "".join([text async for text in chain.astream("Good morning.")]) == "Goedemorgen."

    def test_agent(cf_llama_emulator):
        cf_llama_emulator.say(cf_llama_emulator.call("order_status", order_id="1042"), "It has left.")
        agent = create_agent(ChatCloudflareLlama(), [order_status])
        assert agent.invoke({"messages": "Where is order 1042?"})["messages"][-1].text == "It has left."
        assert cf_llama_emulator.requests[1].body["messages"][-1]["content"] == "order 1042 left Rotterdam"

    def test_query_engine(cf_llama_emulator):
        cf_llama_emulator.say("27 days.")
        index = SummaryIndex.from_documents([Document(text="Everyone has 27 days of leave.")])
        answer = index.as_query_engine(llm=CloudflareLlama()).query("How many days of leave are there?")
        assert str(answer) == "27 days."
        assert "Everyone has 27 days" in str(cf_llama_emulator.requests[0].body)

    def test_a_script_that_is_too_short(cf_llama_emulator):
        cf_llama_emulator.say(cf_llama_emulator.call("order_status", order_id="1042"))
        with pytest.raises(InvalidRequestError, match="no turn left for request 2, .* 'order 1042 left Rotterdam'"):
            create_agent(ChatCloudflareLlama(), [order_status]).invoke({"messages": "Where is order 1042?"})
        assert len(cf_llama_emulator.requests) == 2
    """,
        passed=5,
    )


def test_answers_that_nobody_asked_for_are_warned_of(run_tests):
    result = run_tests(
        """
    def test_leaves_two(cf_llama_emulator):
        cf_llama_emulator.say("One", "two", "three")
        run("Hello")

    def test_after_it(cf_llama_emulator):
        assert cf_llama_emulator.remaining == 0
    """,
        passed=2,
        errors=1,
    )
    result.stdout.fnmatch_lines(
        ["*UnusedAnswersWarning: 2 of the answers said to cf_llama_emulator were not asked for"]
    )


def test_a_failure_shows_the_requests_without_the_token(run_tests):
    result = run_tests(
        """
    def test_fails(cf_llama_emulator):
        run("Hello")
        assert False

    def test_fails_before(cf_llama_emulator):
        assert False

    @pytest.fixture
    def indexed(cf_llama_emulator):
        run("Summarise")
        assert False

    def test_whose_fixture_fails(indexed): ...
    """,
        failed=2,
        errors=1,
    )
    requests = "*- requests to cf_llama_emulator -*"
    result.stdout.fnmatch_lines([requests, 'POST */ai/run/* {"messages":*"Summarise"*'])
    result.stdout.fnmatch_lines([requests, 'POST */ai/run/* {"messages":*"Hello"*', "none"])
    assert "emulator-token" not in result.stdout.str()


FAILING = """
    import asyncio
    from cf_llama import ChatRequest, Settings, Transport

    def transport():
        return Transport(Settings(max_retries=2).connection())

    def request(text):
        return ChatRequest(messages=[{"role": "user", "content": text}])

    def in_dutch(ask):
        wanted = "Dutch"
        assert wanted in ask.messages[-1]["content"]
        return "Hallo"

    def swallows():
        try:
            transport().run(request("Hello"))
        except Exception:
            return
"""


def test_a_failure_of_the_script_is_the_tests_own(run_tests):
    result = run_tests(
        FAILING
        + """
    def test_swallowed(cf_llama_emulator):
        cf_llama_emulator.say(in_dutch, "Not to be asked for")
        swallows()
        assert len(cf_llama_emulator.requests) == 1

    def test_reported(cf_llama_emulator):
        cf_llama_emulator.say(lambda ask: pytest.fail("stopped in the script"))
        transport().run(request("Hello"))

    async def test_async(cf_llama_emulator):
        cf_llama_emulator.say(in_dutch, in_dutch, in_dutch)
        asked = map(transport().arun, map(request, ["Hi", "Dutch", "Hi"]))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert len(answers) == len(cf_llama_emulator.requests) == 3

    def test_after_them(cf_llama_emulator):
        assert run("Hello").json()["result"]["response"] == "You said: Hello"
    """,
        failed=3,
        passed=1,
    )
    shown = [">       assert wanted in ask.messages*", "E       AssertionError: assert 'Dutch' in 'Hello'"]
    result.stdout.fnmatch_lines(["*_ test_swallowed _*", *shown])
    result.stdout.fnmatch_lines(["*_ test_reported _*", "*InvalidRequestError: *turn 1 of the script failed*"])
    result.stdout.fnmatch_lines(["*During handling of the above*", "E *Failed: stopped in the script"])
    result.stdout.fnmatch_lines(["*_ test_async _*", "E *A later turn of the script failed too: AssertionError*"])


def test_a_failure_of_the_script_around_a_test_is_shown_too(run_tests):
    result = run_tests(
        FAILING
        + """
    @pytest.fixture
    def asks_before(cf_llama_emulator):
        cf_llama_emulator.say(in_dutch)
        swallows()

    def test_before(asks_before): ...

    @pytest.fixture
    def asks_after(cf_llama_emulator):
        yield
        cf_llama_emulator.say(in_dutch)
        swallows()

    def test_after(asks_after): ...
    """,
        failed=1,
        passed=1,
        errors=1,
    )
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_after*", "E *AssertionError: assert 'Dutch' in 'Hello'"])


def test_an_emulator_of_ones_own_ends_with_the_failure(run_tests):
    run_tests(
        FAILING
        + """
    from cf_llama_emulator.testing import ScriptedEmulator

    def test_with(monkeypatch):
        with pytest.raises(AssertionError, match="'Dutch' in 'Hello'"), ScriptedEmulator() as emulator:
            monkeypatch.setenv("CLOUDFLARE_BASE_URL", emulator.base_url)
            monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", emulator.account_id)
            monkeypatch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)
            emulator.say(in_dutch)
            swallows()
    """,
        passed=1,
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
import cf_llama_emulator.testing.pytest_plugin
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


def test_a_limit_that_one_test_met_is_not_the_next_ones(run_tests):
    run_tests(
        """
    from cf_llama import ChatRequest, QuotaExceededError, Settings, Transport

    def ask():
        return Transport(Settings().connection()).run(ChatRequest(prompt="Hello")).text

    def test_a_day_that_is_used_up(cf_llama_emulator):
        cf_llama_emulator.always("quota-spent")
        for _ in range(2):
            with pytest.raises(QuotaExceededError):
                ask()

    def test_another_day(cf_llama_emulator):
        assert ask() == "You said: Hello"
    """,
        passed=2,
    )
