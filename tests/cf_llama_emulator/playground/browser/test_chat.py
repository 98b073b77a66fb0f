"""The chat, in a real browser; each test ends by looking for complaints in its console."""

import json

import httpx
import pytest

from cf_llama.protocol.chat_template import render
from cf_llama_emulator.wire.engine_protocol import Call
from tests.cf_llama_emulator.client import MODEL, ask_user

pytestmark = pytest.mark.browser

WEATHER = {"name": "get_weather", "description": "Get the weather", "parameters": {"type": "object", "properties": {}}}


def sent(page):
    return page.emulator.requests[-1].body


def test_an_answer_is_streamed(playground):
    page = playground("The first answer of all.")
    page.ask("Hello")
    assert page.answers() == ["The first answer of all."]
    assert sent(page) == ask_user("Hello", stream=True)
    events = page.text("#wire .events code")
    assert events[-1] == "[DONE]"
    assert "".join(json.loads(event).get("response", "") for event in events[:-1]) == "The first answer of all."
    figures = dict(zip(page.text(".figures dt"), page.text(".figures dd"), strict=True))
    assert figures["Input"] == "2 tokens"
    assert figures["Output"] == "8 tokens"
    assert figures["Cost"] == "$0.000019"  # 2 * 0.293e-6 + 8 * 2.253e-6


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_shape_is_read_alike_and_no_digit_is_lost(playground, shape, stream):
    said = "12345678901234567890"
    page = playground([said, " 1.10", "\n"], [Call("add", {"a": 2**60 + 1})], shape=shape, coerce=False)
    if not stream:
        page.the("#stream").click()
    page.ask("One")
    assert page.answers() == [f"{said} 1.10\n"]
    page.fill("#tools", json.dumps([WEATHER | {"name": "add"}]))
    page.ask("Two")
    assert page.answers(2)[1] == ""
    assert page.text(".call code") == ["add"]
    assert json.loads(page.text(".call pre")[0]) == {"a": 2**60 + 1}
    read = json.loads(page.text("#wire pre[aria-label^=What]")[0])
    assert json.loads(read["tool_calls"][0]["arguments"]) == {"a": 2**60 + 1}


def test_markup_in_an_answer_stays_text(playground):
    markup = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    page = playground(markup, [Call("<b>f</b>", {"<i>": "<img onerror>"})])
    page.ask(markup)
    assert page.answers() == [markup]
    page.fill("#tools", json.dumps([WEATHER]))
    page.ask("again")
    page.answers(2)
    assert page.driver.title == "cf-llama playground"
    assert not page.find("#columns img, #columns script, #columns b, #columns i, #wire img")


def test_an_answer_is_stopped_and_what_has_come_stays(playground):
    page = playground("one two three four five", "once more")
    page.switch_on("hang", "event@3")
    page.ask("Count")
    page.wait(lambda: page.text(".turn.live .text") != [""])
    page.click("Stop")
    [partial] = page.answers()
    assert "one two three four five".startswith(partial)
    assert "Stopped." in page.text(".end .note")
    assert sent(page) == ask_user("Count", stream=True)
    page.click("Regenerate")
    page.wait(lambda: page.answers() == ["once more"])
    assert page.emulator.requests[-1].headers.get("x-emulator-faults") is None


@pytest.mark.parametrize("shape", ["native", "openai"])
def test_an_answer_that_was_cut_off_says_so(playground, shape):
    page = playground("one two three four five", "one two three", shape=shape)
    page.fill("#parameter-max_tokens", "3")
    page.ask("Count")
    page.answers()
    assert page.text(".end .note") == ["Cut off at max_tokens."]
    page.fill("#parameter-max_tokens", "")
    page.ask("Again")
    page.answers(2)
    assert not page.find(".end .note")


def test_a_tool_is_called_and_goes_on_with_its_result(playground):
    page = playground([Call("get_weather", {"city": "Delft"})], "It rains.")
    page.fill("#tool-sample", "get_weather")
    page.ask("What is the weather in Delft?")
    page.answers()
    assert page.text(".call code") == ["get_weather"]
    assert json.loads(page.text(".call pre")[0]) == {"city": "Delft"}
    page.the(".results textarea").send_keys("rain")
    page.click("Send result")
    assert page.answers(2)[-1] == "It rains."
    [_, assistant, result] = sent(page)["messages"]
    [call] = assistant["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Delft"}'}
    assert result == {"role": "tool", "tool_call_id": call["id"], "name": "get_weather", "content": "rain"}


def test_what_was_asked_is_edited_and_asked_again(playground):
    page = playground()
    page.ask("Helo")
    page.answers()
    page.click("Edit message")
    assert page.the("#prompt").get_property("value") == "Helo"
    assert not page.find(".turn")
    page.ask("Hello")
    assert page.answers() == ["You said: Hello"]
    assert sent(page) == ask_user("Hello", stream=True)


def test_settings_go_out_as_they_are_set(playground):
    page = playground()
    page.fill("#system", "Be brief")
    for name, value in {"temperature": "0.2", "top_k": "7", "seed": "9999999999", "max_tokens": "50"}.items():
        page.fill(f"#parameter-{name}", value)
    page.fill("#format", "json_schema")
    page.ask("A title and tags")
    page.answers()
    body = sent(page)
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["temperature"], body["top_k"], body["seed"], body["max_tokens"]) == (0.2, 7, 9999999999, 50)
    assert body["response_format"]["json_schema"]["required"] == ["title", "tags"]
    assert "stream" not in body
    assert "top_p" not in body
    page.click("Reset parameters")
    page.ask("Another")
    page.answers(2)
    assert not {"temperature", "top_k", "seed", "max_tokens"} & sent(page).keys()


def test_a_field_that_is_no_json_is_named_and_nothing_is_sent(playground):
    page = playground()
    page.fill("#tools", "[{")
    page.ask("Hello")
    assert page.the("#field-error").text.startswith("The tools are not valid JSON")
    assert not page.emulator.requests


def test_a_raw_prompt_has_the_models_template(playground):
    page = playground()
    page.fill("#form", "raw")
    prompt = page.the("#prompt").get_property("value")
    assert prompt.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>")
    assert prompt.endswith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    page.click("Send")
    page.answers()
    assert sent(page) == {"prompt": prompt, "raw": True, "stream": True}
    page.fill("#form", "prompt")
    assert page.the("#prompt").get_property("value") == ""
    page.ask("Once upon a time")
    page.answers(2)
    assert sent(page) == {"prompt": "Once upon a time", "stream": True}
    page.click("Regenerate")
    page.wait(lambda: len(page.emulator.requests) == 3)
    assert sent(page) == {"prompt": "Once upon a time", "stream": True}


def test_the_template_is_that_of_the_core(playground):
    page = playground([Call("get_weather", {"city": "Zürich", "days": [1, 2.5, None, {}]})], "It rains.")
    page.fill("#system", " Be brief ")
    page.fill("#tool-sample", "get_weather")
    page.ask(" And in Zürich? ")
    page.answers()
    page.the(".results textarea").send_keys("rain")
    page.click("Send result")
    page.answers(2)
    [system, *rest] = sent(page)["messages"]
    page.fill("#form", "raw")
    asks = [*rest, {"role": "assistant", "content": "It rains."}, {"role": "user", "content": "Hello"}]
    assert page.the("#prompt").get_property("value") == render([system, *asks], sent(page)["tools"])


def test_a_fault_is_for_the_next_request_alone(playground):
    page = playground("well again")
    page.switch_on("capacity")
    page.ask("Hello")
    page.wait(lambda: page.find(".end .failure"))
    assert "3040" in page.text(".end .failure")[0]
    page.click("Ask again")
    assert page.answers() == ["well again"]


def test_two_columns_differ_in_one_setting(playground):
    page = playground()
    page.click("Compare")
    page.fill("#parameter-temperature", "0")
    page.find(".column-title")[1].click()
    page.fill("#parameter-temperature", "2")
    page.ask("Both")
    page.answers(2)
    assert sorted(request.body["temperature"] for request in page.emulator.requests) == [0, 2]
    assert [title.split() for title in page.text(".column-title")] == [
        ["A", "temperature", "0"],
        ["B", "temperature", "2"],
    ]


def test_a_conversation_is_a_link(playground):
    page = playground()
    page.fill("#system", "Grüß Gott, 你好 🎉")
    page.ask("Hello")
    page.answers()
    page.click("Copy link")
    page.wait(lambda: "#talk=" in page.driver.current_url)
    link = page.driver.current_url.partition("/#")[2]
    page.open(f"#{link}")
    assert page.answers() == ["You said: Hello"]
    assert page.the("#system").get_property("value") == "Grüß Gott, 你好 🎉"
    page.open("#talk=nonsense")
    assert "no conversation" in page.the("#field-error").text


def test_a_conversation_that_no_browser_opens_as_a_link_is_not_made_one(playground):
    page = playground()
    page.driver.execute_script(
        "const box = document.querySelector('#system');"
        "const bytes = Array.from({ length: 40 }, () => crypto.getRandomValues(new Uint8Array(60000)));"
        "box.value = bytes.map((some) => Array.from(some, (each) => each.toString(16)).join('')).join('');"
        "box.dispatchEvent(new Event('input'));"
    )
    page.click("Copy link")
    page.wait(lambda: page.the("#field-error").is_displayed())
    assert page.the("#field-error").text == "This conversation is too long for a link. Save it as a file."
    assert "#talk=" not in page.driver.current_url


def test_a_conversation_is_loaded_from_a_file_that_is_checked(playground, tmp_path):
    said = [{"role": "user", "content": "<b>Hi</b>"}, {"role": "assistant", "content": "Hello"}]
    columns = [
        {"settings": {"parameters": {"top_k": k}}, "turns": [{"message": each} for each in said]} for k in (1, 2)
    ]
    page = playground()
    file = tmp_path / "conversation.json"
    for broken in ("no JSON", "{}", "null", '{"version": 1, "columns": [{"turns": [{"message": {"role": "user"}}]}]}'):
        file.write_text(broken)
        page.the("#load-file").send_keys(str(file))
        page.wait(lambda: page.the("#field-error").is_displayed())
        page.driver.execute_script("document.querySelector('#field-error').hidden = true")
        assert not page.find(".turn")
    file.write_text(json.dumps({"version": 1, "columns": columns}))
    page.the("#load-file").send_keys(str(file))
    assert page.answers(2) == ["Hello", "Hello"]
    assert [title.split() for title in page.text(".column-title")] == [["A", "top_k", "1"], ["B", "top_k", "2"]]
    assert page.the("#parameter-top_k").get_property("value") == "1"


def test_requests_of_other_programs_are_listed_filtered_and_brought_into_the_chat(playground):
    page = playground()
    page.click("Requests")
    url = f"{page.emulator.base_url}/accounts/{page.emulator.account_id}/ai/run/{MODEL}"
    headers = {"authorization": f"Bearer {page.emulator.api_token}"}
    for text in ("of an agent", "of a chain"):
        httpx.post(url, json=ask_user(text, temperature=1.5), headers=headers)
    page.wait(lambda: page.text(".open") == ["of a chain", "of an agent"])
    page.the("#find-request").send_keys("AGENT")
    page.wait(lambda: page.text(".open") == ["of an agent"])
    page.find("tbody td")[0].click()  # anywhere in the row
    page.wait(lambda: page.find(".details .primary"))
    assert "You said: of an agent" in page.text(".details pre")[1]
    page.click("Bring into the chat")
    assert page.text(".turn.user .text") == ["of an agent"]
    page.click("Requests")
    page.the("#find-request").clear()
    page.the("#find-request").send_keys("chain")
    page.wait(lambda: page.text(".open") == ["of a chain"])
    page.click("To chat")
    page.wait(lambda: page.text(".turn.user .text") == ["of a chain"])
    page.click("Ask again")
    assert page.answers() == ["You said: of a chain"]
    assert sent(page) == ask_user("of a chain", temperature=1.5)


def test_what_the_page_has_no_setting_for_is_named(playground):
    page = playground()
    url = f"{page.emulator.base_url}/accounts/{page.emulator.account_id}/ai/run/{MODEL}"
    headers = {"authorization": f"Bearer {page.emulator.api_token}"}
    for extra in ({"lora": "mine", "options": {}}, {}):
        httpx.post(url, json=ask_user("Hi", **extra), headers=headers)
    page.click("Requests")
    page.wait(lambda: len(page.find(".open")) == 2)
    page.find(".open")[1].click()
    page.wait(lambda: page.find(".details .primary"))
    page.click("Bring into the chat")
    assert page.the("#field-error").text == "The page has no setting for lora, options: left out."
    page.click("Requests")
    page.find(".open")[0].click()
    page.wait(lambda: page.find(".details .primary"))
    page.click("Bring into the chat")
    assert not page.the("#field-error").is_displayed()
