"""The page on phones and desktops: nothing sticks out, everything has a name, and keys are enough."""

import pytest

pytestmark = pytest.mark.browser

UNNAMED = """
return [...document.querySelectorAll('button, input, select, textarea, [role=tab], pre[tabindex], [role=log]')]
  .filter((each) => each.checkVisibility() && !each.labels?.length
    && !each.getAttribute('aria-label') && !each.textContent.trim()).map((each) => each.outerHTML);
"""
STICKING_OUT = """
return [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility()
  && getComputedStyle(each).position !== 'absolute' && !each.closest('.table, pre')
  && (each.getBoundingClientRect().right > innerWidth + 1
    || (each.matches('.scroll, .pane, .split, .details') && each.scrollWidth > each.clientWidth + 1)))
  .map((each) => each.outerHTML.slice(0, 100));
"""


def resize(page, width, height):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture
def page(playground):
    page = playground()
    yield page
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("width", "height"), [(360, 640), (390, 844), (768, 1024), (1280, 800), (1920, 1080)])
def test_nothing_sticks_out_and_everything_has_a_name(page, width, height):
    resize(page, width, height)
    page.ask("A " + "very" * 100 + " long word")
    page.answers()
    panes = ["Settings", "Wire", "Conversation"] if width < 1024 else [None]
    for pane in panes:
        if pane:
            page.click(pane)
        page.driver.execute_script("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert page.driver.execute_script(STICKING_OUT) == [], pane
        assert page.driver.execute_script(UNNAMED) == [], pane
    page.click("Compare")
    assert page.driver.execute_script(STICKING_OUT) == []
    page.click("Requests")
    page.wait(lambda: page.find(".open"))
    assert page.driver.execute_script(STICKING_OUT) == []
    page.the(".open").click()
    page.wait(lambda: page.find(".details .primary"))
    assert page.driver.execute_script(STICKING_OUT) == []
    assert page.driver.execute_script(UNNAMED) == []


def test_text_that_is_read_from_the_right_begins_there(page):
    page.ask("שלום")
    page.answers()
    script = """
    const box = arguments[0], range = document.createRange();
    range.selectNodeContents(box);
    return [range, box].flatMap((each) => [each.getBoundingClientRect().left, each.getBoundingClientRect().right]);
    """
    left, right, box_left, box_right = page.driver.execute_script(script, page.the(".turn.user .text"))
    assert box_right - right < left - box_left


def test_keys_are_enough(page):
    from selenium.webdriver.common.keys import Keys

    assert page.driver.switch_to.active_element.get_attribute("id") == "prompt"
    page.driver.switch_to.active_element.send_keys("Hello", Keys.SHIFT, Keys.ENTER, Keys.SHIFT, "there", Keys.ENTER)
    assert page.answers() == ["You said: Hello\nthere"]
    page.the("#tab-chat").send_keys(Keys.ARROW_RIGHT)
    assert page.driver.switch_to.active_element.get_attribute("id") == "tab-requests"
    assert page.the("#page-requests").is_displayed()
    page.wait(lambda: page.find(".open"))
    page.the(".open").send_keys(Keys.ENTER)
    page.wait(lambda: page.driver.switch_to.active_element.text == "Bring into the chat")
    for key in (Keys.TAB, Keys.TAB, Keys.ENTER):  # over "Copy" to "Close"
        page.driver.switch_to.active_element.send_keys(key)
    assert "open" in page.driver.switch_to.active_element.get_attribute("class").split()


def test_only_what_is_new_is_told_to_a_screen_reader(page):
    page.ask("One")
    page.answers()
    page.driver.execute_script(
        "window.told = [];"
        "new MutationObserver((changes) => told.push(...changes.flatMap((change) => [...change.addedNodes])"
        "  .filter((node) => !node.classList.contains('live')).map((node) => node.className)))"
        "  .observe(document.querySelector('[role=log]'), { childList: true });"
    )
    page.ask("Two")
    page.answers(2)
    assert page.driver.execute_script("return told") == ["turn user", "turn assistant"]
    page.click("Regenerate")
    page.answers(2)
    assert page.driver.switch_to.active_element.get_attribute("role") == "log"


def test_an_answer_is_announced_once_it_is_whole(page):
    assert page.the("[role=log]").get_attribute("aria-live") == "polite"
    page.switch_on("hang", "event@2")
    page.ask("Hello")
    page.wait(lambda: page.the("[role=log]").get_attribute("aria-busy") == "true")
    page.click("Stop")
    page.wait(lambda: page.the("[role=log]").get_attribute("aria-busy") == "false")
