"""Commands in this process, against whatever service the test has."""

import inspect
import os
import socket

import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root

SEPARATE = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
"""Before click 8.2 both outputs are one unless told otherwise."""


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a command."""
    monkeypatch.delenv("CF_LLAMA_USAGE", raising=False)

    def invoke(*arguments, stdin=None, **how):
        return CliRunner(**SEPARATE).invoke(root, [str(argument) for argument in arguments], input=stdin, **how)

    return invoke


@pytest.fixture
def scripted(service, monkeypatch):
    """The service that says what the test scripts, where the environment leads."""
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", service.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "made-up-token-of-no-account")
    return service


@pytest.fixture
def cf_llama(tmp_path, monkeypatch):
    """Run a command with an empty cache, no package index and a hub that refuses."""
    monkeypatch.setenv("CF_LLAMA_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as unheard:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unheard.getsockname()[1]}")
    return lambda *arguments: CliRunner().invoke(root, arguments)
