"""What is no HTTP is refused as such, and leaves nothing in the log."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.cf_llama_emulator.client import MODEL, ask_user

HEAD = b"POST /client/v4/accounts/x/ai/run/y HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def sent(client, content):
    """Return what comes back for these bytes, until the emulator closes the connection."""
    address = urlsplit(client.emulator.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(content)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    "content",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        HEAD + b"no header\r\n\r\n",
        HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X: " + b"a" * 70_000,
    ],
)
def test_a_malformed_request_is_400(rules, caplog, capfd, content):
    assert sent(rules, content).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert rules.run(ask_user("Hello"), model=MODEL).status_code == 200
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_request_without_a_host_is_refused(rules):
    assert sent(rules, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("depth", [100, 300, 900])
@pytest.mark.parametrize("key", ["tools", "response_format", "messages", "tool_choice", "options", "stop"])
def test_deep_json_is_no_way_to_break_it(rules, key, depth):
    content = b'{"messages": [{"role": "user", "content": "Hello"}], "tools": [], "%b": %b1%b}'
    content %= key.encode(), b'{"a": [' * depth, b"]}" * depth
    answer = rules.http.post(f"{rules.account}/ai/run/{MODEL}", content=content)
    assert answer.status_code in (200, 400)
    assert isinstance(answer.json(), dict)
