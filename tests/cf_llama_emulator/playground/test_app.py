"""The playground's routes and headers, and who may use them."""

import re
from importlib.resources import files

import httpx
import pytest

from cf_llama_emulator.playground.app import refusal
from cf_llama_emulator.server import serve
from tests.cf_llama_emulator.client import MODEL, ask_user

RUN = f"/client/v4/accounts/{'0123456789abcdef' * 2}/ai/run/{MODEL}"
PAGE = "/"
DATA = "/playground/config.json"


def run(url, **headers):
    """Ask an emulator for an answer."""
    headers |= {"authorization": "Bearer emulator-token"}
    return httpx.post(httpx.URL(url).join(RUN), json=ask_user("Hi"), headers=headers)


def test_the_page_allows_nothing_but_its_own_files(page):
    answer = page.get(PAGE)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=", answer.text)


def test_whatever_the_page_names_is_there(page):
    waiting, seen = {"/"}, set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = page.get(path)
        assert answer.status_code == 200, path
        named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        named += [f"/playground/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
        waiting |= set(named) - seen
    assert "/playground/style.css" in seen
    assert len(seen) > 10


def test_no_script_makes_markup_of_text_or_code_of_it(page):
    banned = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    scripts = [file.name for file in files("cf_llama_emulator.playground").joinpath("static").iterdir()]
    assert len(scripts) > 20
    for name in scripts:
        assert not banned.search(page.get(f"/playground/{name}").text), name


@pytest.mark.parametrize("path", ["/playground/none.js", "/playground/%2e%2e/app.py", "/playground/"])
def test_there_are_no_other_files(page, path):
    answer = page.get(path)
    assert answer.status_code == 404
    assert "content-security-policy" in answer.headers


def test_the_token_of_the_configuration_is_right(page):
    config = page.get(DATA).json()
    url = f"/client/v4/accounts/{config['account_id']}/ai/run/{config['model']}"
    answer = page.post(url, json={"prompt": "Hello"}, headers={"authorization": f"Bearer {config['api_token']}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [PAGE, DATA, "/playground/main.js"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_other_pages_see_nothing(page, path, headers):
    answer = page.get(path, headers=headers)
    assert answer.status_code == 403
    assert "token" not in answer.text


def test_hosts_and_origins_that_the_emulator_does_not_serve_see_nothing(page):
    assert page.get(DATA, headers={"origin": "https://evil.example"}).status_code == 403
    with serve(playground=True, hosts=frozenset({"127.0.0.1"})) as emulator:
        url = emulator.playground_url
        assert httpx.get(url, headers={"host": "localhost"}).status_code == 403
        assert httpx.get(url).status_code == 200


def test_what_is_posted_to_the_root_is_the_emulators(page):
    assert page.post(PAGE).json()["errors"][0]["code"] == 7000
    assert page.post(DATA).status_code == 405


def test_a_link_from_elsewhere_leads_to_the_page_but_not_to_its_data(page):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert page.get(PAGE, headers=headers).status_code == 200
    assert page.get(DATA, headers=headers).status_code == 403


def test_other_machines_see_nothing_even_if_their_host_name_is_served():
    scope = {"type": "http", "path": "/", "client": ("192.0.2.1", 1), "headers": [(b"host", b"localhost")]}
    assert refusal(scope) == "The playground is served to this machine only."
    with serve(playground=True, hosts=frozenset({"*"})) as emulator:
        answer = httpx.get(emulator.playground_url, headers={"host": "box.local"})
    assert answer.status_code == 403


def test_the_page_itself_may_ask_the_emulator_and_no_other_origin(emulator):
    own = emulator.playground_url.rstrip("/")
    assert run(own, origin=own).status_code == 200
    for origin in (own + "0", own.replace("http", "https"), "http://localhost", "null"):
        assert run(own, origin=origin).status_code == 403, origin


def test_an_origin_that_is_its_own_host_is_no_excuse_for_a_name_that_is_not_loopback():
    with serve(playground=True, hosts=frozenset({"*"})) as emulator:
        answer = run(emulator.playground_url, host="evil.example", origin="http://evil.example")
    assert answer.status_code == 403


def test_without_the_setting_there_is_no_playground():
    with serve() as emulator:
        assert emulator.playground_url is None
        answer = httpx.get(emulator.base_url.removesuffix("client/v4"))
    assert answer.json()["errors"][0]["code"] == 7000


def test_the_page_is_in_no_log():
    entries = []
    with serve(playground=True, access_log=entries.append) as emulator:
        httpx.get(emulator.playground_url)
        assert run(emulator.playground_url).status_code == 200
        assert [request.path.endswith(MODEL) for request in emulator.requests] == [True]
    assert [entry.route for entry in entries] == ["/ai/run"]
