"""Pooled clients: one for the process, one for each event loop, and none left open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cf_llama.transport.http import clients
from cf_llama.transport.http.clients import close, shared_async_client, shared_client

pytestmark = pytest.mark.usefixtures("both_event_loops")


def run(script):
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)  # noqa: S603 - scripts of this file


def test_one_client_for_the_process_and_all_its_threads():
    with ThreadPoolExecutor(4) as threads:
        assert len({id(client) for client in threads.map(lambda _: shared_client(9), range(16))}) == 1


def test_a_closed_client_is_replaced():
    first = shared_client(9)
    close()
    assert first.is_closed
    assert not shared_client(9).is_closed


def test_each_loop_has_its_own_client_which_ends_with_it():
    async def twice():
        return await shared_async_client(9), await shared_async_client(9)

    (one, same), (other, _) = asyncio.run(twice()), asyncio.run(twice())
    assert one is same
    assert one is not other
    assert one.is_closed
    assert other.is_closed


def test_ended_loops_are_forgotten():
    for _ in range(5):
        asyncio.run(shared_async_client(9))
    assert len(clients._async) <= 1


def test_a_closed_asynchronous_client_is_replaced():
    async def close_and_ask():
        first = await shared_async_client(9)
        await first.aclose()
        return await shared_async_client(9) is not first

    assert asyncio.run(close_and_ask())


def test_importing_opens_nothing_and_takes_no_framework():
    run(
        "import sys, cf_llama\n"
        "assert not {'httpx', 'httptools', 'langchain_core', 'llama_index', 'starlette'} & set(sys.modules)"
    )


WITHOUT_HTTPTOOLS = """
import asyncio, sys
sys.modules["httptools"] = None
import httpx
from cf_llama import ChatRequest, Settings, Transport

reply = httpx.MockTransport(lambda _: httpx.Response(200, json={"result": {"response": "Hello"}, "success": True}))
where = Settings(account_id="0" * 32, api_token="token", base_url="http://127.0.0.1:9/client/v4").connection()
hi = ChatRequest(prompt="Hi")
"""


def test_a_client_of_ones_own_needs_no_httptools():
    run(
        WITHOUT_HTTPTOOLS + "own = httpx.Client(transport=reply), httpx.AsyncClient(transport=reply)\n"
        "transport = Transport(where, *own)\n"
        "assert transport.run(hi).text == 'Hello'\n"
        "assert asyncio.run(transport.arun(hi)).text == 'Hello'"
    )


@pytest.mark.parametrize("ask", ["transport.run(hi)", "asyncio.run(transport.arun(hi))"])
def test_connections_of_our_own_name_what_they_need(ask):
    run(
        WITHOUT_HTTPTOOLS + f"transport = Transport(where)\ntry:\n    {ask}\n"
        "except ImportError as error:\n    assert 'pip install httptools' in str(error), error\n"
        "else:\n    raise AssertionError"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_clients_of_its_own():
    run(
        "import os; from cf_llama.transport.http.clients import shared_client\n"
        "parent = shared_client(9); child = os.fork()\n"
        "if not child: os._exit(shared_client(9) is parent)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_says_nothing_of_its_parents_sockets():
    script = """
import asyncio, gc, os
from cf_llama import ChatRequest, Settings, Transport
from cf_llama_emulator.server import serve

def forked():
    child = os.fork()
    if not child:
        gc.collect()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

with serve() as emulator:
    account = {"account_id": emulator.account_id, "api_token": emulator.api_token, "base_url": emulator.base_url}
    transport, request = Transport(Settings(**account).connection()), ChatRequest(prompt="Hi")

    async def ask():
        await transport.arun(request)
        forked()
        await transport.arun(request)

    transport.run(request)
    asyncio.run(ask())
    forked()
    transport.run(request)
"""
    command = [sys.executable, "-X", "dev", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as above
    assert "Resource" not in done.stderr
    assert done.returncode == 0
