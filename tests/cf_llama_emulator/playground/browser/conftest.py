"""A Chromium of the system, and the page in it as a user sees it."""

import shutil

import pytest

from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30
"""Seconds after which what has not come will not come."""


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or pytest.fail("install chromium and chromium-driver")
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1280,800"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


class Page:
    """The page, by what one reads and clicks."""

    def __init__(self, driver, emulator):
        self.driver, self.emulator = driver, emulator

    def open(self, hash_=""):
        self.driver.get("about:blank")
        self.driver.get(f"{self.emulator.playground_url}{hash_}")
        self.wait(lambda: self.find("html[data-ready]"))
        return self

    def wait(self, condition):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = [StaleElementReferenceException]
        return WebDriverWait(self.driver, PATIENCE, ignored_exceptions=ignored).until(lambda _: condition())

    def find(self, selector):
        return self.driver.find_elements("css selector", selector)

    def the(self, selector):
        [found] = self.find(selector)
        return found

    def text(self, selector):
        return [element.get_attribute("textContent") for element in self.find(selector)]

    def click(self, name, within="body"):
        [button] = [each for each in self.find(f"{within} button") if each.text == name and each.is_displayed()]
        button.click()

    def fill(self, selector, text):
        """Put a text into a field as pasting does."""
        self.driver.execute_script(
            "arguments[0].closest('details')?.setAttribute('open', '');"
            "arguments[0].value = arguments[1];"
            "for (const name of ['input', 'change']) arguments[0].dispatchEvent(new Event(name, {bubbles: true}));",
            self.the(selector),
            text,
        )

    def ask(self, text):
        self.fill("#prompt", text)
        self.click("Send")

    def answers(self, count=1):
        """The answers of the model, once all are there and nothing is under way."""
        self.wait(lambda: len(self.find(".turn.assistant:not(.live)")) >= count and not self.find(".turn.live"))
        return self.text(".turn.assistant .text")

    def switch_on(self, fault, value=""):
        self.driver.execute_script("arguments[0].closest('details').open = true", self.the(f"#fault-{fault}"))
        self.the(f"#fault-{fault}").click()
        if value:
            self.the(f"#fault-{fault} ~ input").send_keys(value)

    def console(self):
        """What the browser complained of, refusals of the emulator left out."""
        lines = [entry["message"] for entry in self.driver.get_log("browser")]
        return [line for line in lines if "Failed to load resource" not in line]


@pytest.fixture
def playground(chromium):
    """Return a function that opens the page of an emulator with these scripted turns, or with rules."""
    running = []

    def start(*turns, **settings):
        engine = ScriptEngine(turns) if turns else RuleEngine()
        running.append(serve(engine, playground=True, **settings))
        return Page(chromium, running[-1]).open()

    yield start
    complaints = [entry["message"] for entry in chromium.get_log("browser")]
    chromium.get("about:blank")
    for emulator in running:
        emulator.close()
    assert not [line for line in complaints if "Failed to load resource" not in line]
