"""The account id in what httpx logs, which is not ours to write but ours to keep."""

import logging

import httpx
import pytest

from cf_llama import ChatRequest, Gateway

HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
ACCOUNT = "0123456789abcdef" * 2


def test_a_call_leaves_no_account_in_any_log(caller, service, transport, caplog):
    caplog.set_level(logging.DEBUG)
    service.replies("Hello")
    caller.run(transport(account_id=ACCOUNT), HI)
    assert "POST http" in caplog.text
    assert "/accounts/***/ai/run/" in caplog.text
    assert ACCOUNT not in caplog.text


def test_the_legacy_gateways_path_is_hidden_too(caplog):
    caplog.set_level(logging.INFO)
    url = httpx.URL(Gateway(id="mine", legacy_host=True).url(ACCOUNT, HI.model))
    logging.getLogger("httpx").info("%s %s", "POST", url)
    assert "/v1/***/mine/" in caplog.text


@pytest.mark.parametrize("line", ["HTTP Request: GET https://example.com/accounts/42", "no arguments"])
def test_other_lines_are_left_alone(line, caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").info("%s", line)
    assert line in caplog.text
