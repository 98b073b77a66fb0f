"""Where a request may come from."""

import pytest

from cf_llama_emulator.hosts import LOOPBACK_HOSTS
from cf_llama_emulator.server.auth import refusal_of_origin


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1.evil.example", "localhost.", "[::2]:80", "192.168.0.1", "127.0.0.1@evil"]
)
def test_only_exact_names_of_the_loopback_are_hosts(host):
    assert refusal_of_origin({"host": host}, LOOPBACK_HOSTS, frozenset()) is not None


@pytest.mark.parametrize("host", ["box.local", "Box.Local:8799"])
def test_names_of_hosts_know_no_case(host):
    assert refusal_of_origin({"host": host}, frozenset({"Box.local"}), frozenset()) is None


def test_a_refusal_says_what_is_allowed():
    said = refusal_of_origin({"host": "evil.example:1"}, LOOPBACK_HOSTS, frozenset())
    assert said == "Host 'evil.example' is not served here; allowed: 127.0.0.1, [::1], localhost."
