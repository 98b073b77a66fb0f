"""Commands in this process, against whatever service the test has."""

import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a command."""
    monkeypatch.delenv("CF_LLAMA_USAGE", raising=False)

    def invoke(*arguments, stdin=None, **how):
        return CliRunner().invoke(root, [str(argument) for argument in arguments], input=stdin, **how)

    return invoke


@pytest.fixture
def scripted(service, monkeypatch):
    """The service that says what the test scripts, where the environment leads."""
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", service.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "made-up-token-of-no-account")
    return service
