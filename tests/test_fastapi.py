"""A web service around both models: FastAPI under uvicorn, on uvloop and on asyncio, asked over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

AT_ONCE = 100


def service():
    """The application, as its users write it."""
    app = FastAPI()
    chat, llm = ChatCloudflareLlama(), CloudflareLlama()

    @app.get("/loop")
    async def loop():
        return {"module": type(asyncio.get_running_loop()).__module__, "tasks": len(asyncio.all_tasks())}

    @app.get("/langchain")
    async def invoke(question: str):
        return {"answer": (await chat.ainvoke(question)).text}

    @app.get("/langchain/stream")
    async def stream(question: str):
        async def texts():
            async for chunk in chat.astream(question):
                yield chunk.text

        return StreamingResponse(texts())

    @app.get("/llama-index")
    async def complete(question: str):
        return {"answer": (await llm.acomplete(question)).text}

    @app.get("/llama-index/stream")
    async def stream_complete(question: str):
        async def texts():
            async for response in await llm.astream_complete(question):
                yield response.delta

        return StreamingResponse(texts())

    return app


@pytest.fixture(params=["uvloop", "asyncio"])
def client(request, cf_llama_emulator):
    """A client of the running service."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="there is no uvloop here")
    with socket.create_server(("127.0.0.1", 0), backlog=AT_ONCE) as listening:
        config = uvicorn.Config(service(), loop=request.param, http="httptools", log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        limits = httpx.Limits(max_connections=AT_ONCE)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", limits=limits, timeout=30
        ) as client:
            assert client.get("/loop").json()["module"].startswith(request.param)
            yield client
        server.should_exit = True
        thread.join()


@pytest.fixture(params=["/langchain", "/llama-index"])
def path(request):
    return request.param


def test_answers_come_whole(client, path):
    assert client.get(path, params={"question": "Hello"}).json() == {"answer": "You said: Hello"}


def test_answers_come_in_pieces(client, path):
    with client.stream("GET", f"{path}/stream", params={"question": "Hello"}) as response:
        pieces = list(response.iter_text())
    assert "".join(pieces) == "You said: Hello"


def test_many_at_once_are_all_answered(client, path):
    def ask(number):
        return client.get(path, params={"question": str(number)}).json()["answer"]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(ask, range(AT_ONCE)))
    assert answers == [f"You said: {number}" for number in range(AT_ONCE)]


def test_a_reader_who_leaves_in_mid_stream_leaves_nothing_running(client, path, cf_llama_emulator):
    idle = client.get("/loop").json()["tasks"]
    cf_llama_emulator.faults("hang=event@3")
    with client.stream("GET", f"{path}/stream", params={"question": "Hello"}) as response:
        assert next(response.iter_text())
    until = time.monotonic() + 30
    while client.get("/loop").json()["tasks"] > idle and time.monotonic() < until:
        time.sleep(0.01)
    assert client.get("/loop").json()["tasks"] == idle
    assert client.get(path, params={"question": "Still there?"}).json() == {"answer": "You said: Still there?"}
