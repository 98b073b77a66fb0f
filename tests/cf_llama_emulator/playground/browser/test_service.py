"""The page asks the real service, here a second emulator, on a phone and on a desktop, by keys alone."""

import pytest

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve
from cf_llama_emulator.settings import ServiceAccount
from tests.cf_llama_emulator.cassettes.other_service import ACCOUNT, TOKEN, Answer, OtherService
from tests.cf_llama_emulator.client import ask_user
from tests.cf_llama_emulator.playground.browser.test_copy_as import copied, run
from tests.cf_llama_emulator.playground.browser.test_looks import STICKING_OUT, UNNAMED, resize

pytestmark = pytest.mark.browser


@pytest.fixture
def service():
    """Return a function that starts the service with these turns."""
    running = []

    def start(*turns, **settings):
        running.append(serve(ScriptEngine(turns), account_id=ACCOUNT, api_token=TOKEN, **settings))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def open_page(playground):
    """Return a function that opens a page which may ask a service."""
    opened = []

    def start(service, **options):
        account = ServiceAccount(account_id=ACCOUNT, api_token=TOKEN, base_url=service.base_url, **options)
        opened.append(playground(service=account))
        return opened[-1]

    yield start
    for page in opened:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def choose(page, name):
    page.the(f"#answers-{name}").click()


def spent(page, words):
    page.wait(lambda: words in page.text(".spent")[0])
    return page.text(".spent")[0]


@pytest.mark.parametrize(("width", "height"), [(360, 640), (1280, 800)])
def test_it_is_chosen_by_keys_and_says_what_it_costs(open_page, service, width, height):
    from selenium.webdriver.common.keys import Keys

    there = service("From the service.", shape="hybrid")
    page = open_page(there)
    resize(page, width, height)
    assert page.the("#answers-emulator").is_selected()
    assert spent(page, "Nothing spent so far.")
    page.ask("Hello")
    assert page.answers() == ["You said: Hello"]
    assert not there.requests
    page.the("#prompt").send_keys(Keys.SHIFT, Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("id") == "answers-emulator"
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert page.the("#answers-service").is_selected()
    assert page.text("#engine")[0].endswith(" answers")
    page.the("#prompt").send_keys("And you?", Keys.ENTER)
    assert page.answers(2)[1] == "From the service."
    assert there.requests[-1].body["messages"][-1] == {"role": "user", "content": "And you?"}
    assert spent(page, "1 request.").startswith("$0.0000")
    assert page.driver.execute_script(STICKING_OUT) == []
    assert page.driver.execute_script(UNNAMED) == []
    page.open()
    assert page.the("#answers-emulator").is_selected()
    assert spent(page, "1 request.")


def test_the_token_is_nowhere_on_the_page(open_page, service):
    page = open_page(service(f"{TOKEN} is what it says"))
    choose(page, "service")
    page.the("#stream").click()
    page.ask("Hello")
    page.answers()
    page.click("Requests")
    page.wait(lambda: page.find(".open"))
    page.the(".open").click()
    page.wait(lambda: page.find(".details .primary"))
    shown = page.driver.execute_script("return document.documentElement.outerHTML")
    kept = page.driver.execute_script(
        "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    for secret in (TOKEN, ACCOUNT):
        assert secret not in shown + kept
    assert "[redacted] is what it says" in page.text(".turn.assistant .text")[0]


def test_faults_and_shapes_are_for_the_emulator_alone(open_page, service):
    there = service("Well.", "Well again.")
    page = open_page(there)
    page.switch_on("capacity")
    page.fill("#shape", "openai")
    choose(page, "service")
    assert not page.the("#fault-capacity").is_enabled()
    assert not page.the("#shape").is_enabled()
    assert "gets none of them" in page.text("#chosen-faults")[0]
    assert not page.the("#next-faults").is_displayed()
    page.ask("Hello")
    assert page.answers() == ["Well."]
    assert not {"x-emulator-faults", "x-emulator-shape"} & there.requests[0].headers.keys()
    choose(page, "emulator")
    assert page.the("#next-faults").is_displayed()
    page.click("Regenerate")
    page.wait(lambda: page.find(".end .failure"))
    assert "3040" in page.text(".end .failure")[0]


def test_errors_are_those_of_the_service_and_an_answer_without_usage_is_told(open_page, service):
    there = service("One.", "Two.")
    page = open_page(there)
    choose(page, "service")
    there.faults("capacity", "no-usage")
    page.ask("Hello")
    page.wait(lambda: page.find(".end .failure"))
    assert page.text(".end .failure")[0].startswith("HTTP 429: 3040")
    page.click("Ask again")
    assert page.answers() == ["One."]
    assert spent(page, "2 requests").endswith("1 told no usage, so its cost is not in the sum.")


@pytest.mark.parametrize("fault", ["hang=event@3", "no-answer=hang"])
def test_stop_ends_the_request_to_the_service(open_page, service, fault):
    entries = []
    there = service("one two three four five", access_log=entries.append)
    page = open_page(there)
    choose(page, "service")
    there.faults(fault)
    page.ask("Count")
    page.wait(lambda: page.find("#stop") and page.the("#stop").is_displayed() and there.requests)
    page.click("Stop")
    page.wait(lambda: "Stopped." in page.text(".end .note"))
    page.wait(lambda: entries)
    assert entries[0].hung_up
    assert spent(page, "1 told no usage")


def test_a_service_that_cannot_be_reached_or_hangs_is_an_error(open_page, service):
    there = service("Never.")
    page = open_page(there, read_timeout=0.5)
    choose(page, "service")
    there.faults("no-answer=hang")
    page.ask("Hello")
    page.wait(lambda: page.find(".end .failure"))
    assert "no answer of 127.0.0.1" in page.text(".end .failure")[0]
    there.close()
    page.click("Ask again")
    page.wait(lambda: page.find(".end .failure") and page.text(".end .failure")[0].startswith("HTTP 502"))
    assert spent(page, "2 requests")


def test_two_columns_ask_it_twice_and_no_link_chooses_it(open_page, service):
    there = service("One.", "Two.")
    page = open_page(there)
    choose(page, "service")
    page.click("Compare")
    page.ask("Both")
    page.answers(2)
    assert spent(page, "2 requests")
    page.click("Copy link")
    page.wait(lambda: "#talk=" in page.driver.current_url)
    page.open("#" + page.driver.current_url.partition("#")[2])
    assert page.the("#answers-emulator").is_selected()


@pytest.mark.parametrize("kind", ["curl", "python", "langchain", "llamaindex"])
def test_what_is_copied_takes_account_and_token_from_its_environment(open_page, service, tmp_path, monkeypatch, kind):
    there = service("First.", "The very same answer.")
    page = open_page(there)
    choose(page, "service")
    page.ask("It's `id` $HOME")
    page.answers()
    program = copied(page, kind)
    environment = {"BASE_URL": there.base_url, "ACCOUNT_ID": ACCOUNT, "API_TOKEN": TOKEN}
    for name, value in environment.items():
        assert value not in program
        monkeypatch.setenv(f"CLOUDFLARE_{name}", value)
    assert "very" in run(kind, program, tmp_path)
    assert there.requests[-1].body["messages"] == ask_user("It's `id` $HOME")["messages"]


ATTACK = """
const [root, key, done] = arguments;
const body = JSON.stringify({ prompt: "Spend" });
const headers = { "content-type": "application/json", "x-playground-key": key };
const tries = [
  fetch(`${root}playground/config.json`),
  fetch(`${root}playground/config.json`, { mode: "no-cors" }),
  fetch(`${root}playground/service`, { method: "POST", mode: "no-cors", body }),
  fetch(`${root}playground/service`, { method: "POST", headers, body }),
  fetch(`${root}playground/service`, { method: "POST", mode: "no-cors", headers, body }),
];
Promise.allSettled(tries).then((ended) => done(ended.map(({ value }) => value?.type !== "opaque" && value?.status)));
"""


def test_another_page_of_this_machine_can_neither_read_nor_spend_even_if_it_knew_the_key(open_page, service):
    there = service("Never.")
    page = open_page(there)
    script = "return fetch('/playground/config.json').then((told) => told.json()).then((told) => told.service.key)"
    key = page.driver.execute_script(script)
    with OtherService(lambda *_: Answer([b"<p>Another page</p>"], kind="text/html")) as other:
        for host in ("127.0.0.1", "localhost"):
            page.driver.get(other.base_url.replace("127.0.0.1", host))
            ended = page.driver.execute_async_script(ATTACK, page.emulator.playground_url, key)
            assert not any(ended), (host, ended)
        page.console()  # it is full of the refusals
    assert not there.requests


def test_without_an_account_it_is_said_how_to_set_one(playground):
    page = playground()
    assert not page.the("#answers").is_displayed()
    assert "CLOUDFLARE_API_TOKEN" in page.the(".how-to").text
