"""Emulators on real sockets."""

import pytest

from cf_llama_emulator.engines.script import ScriptEngine
from cf_llama_emulator.server import serve
from tests.cf_llama_emulator.client import Client


@pytest.fixture(scope="module")
def rules():
    """A client of an emulator with the rule engine."""
    with serve() as emulator:
        client = Client(emulator)
        yield client
        client.http.close()


@pytest.fixture
def script():
    """Return a function that starts an emulator with these turns and returns its client."""
    clients = []

    def start(*turns, **settings):
        client = Client(serve(ScriptEngine(turns), **settings))
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.http.close()
        client.emulator.close()
