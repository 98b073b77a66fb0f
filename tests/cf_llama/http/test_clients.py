"""Pooled clients: one for the process, one for each event loop, and none left open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cf_llama.http import clients
from cf_llama.http.clients import close, shared_async_client, shared_client

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
    run("import sys, cf_llama; assert not {'httpx', 'langchain_core', 'llama_index', 'starlette'} & set(sys.modules)")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_clients_of_its_own():
    run(
        "import os; from cf_llama.http.clients import shared_client; parent = shared_client(9); child = os.fork()\n"
        "if not child: os._exit(shared_client(9) is parent)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
