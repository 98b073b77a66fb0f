"""Answers of another server, recorded and replayed through both integrations and plain httpx, in every way."""

import contextlib

import httpx
import pytest

from cf_llama_emulator.cassettes import AsyncRecorderTransport, Recorder, RecorderTransport, ReplayTransport
from cf_llama_emulator.server import serve
from cf_llama_emulator.server.recording import RecordingProxy
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama
from tests.cf_llama_emulator.cassettes.other_service import (
    ACCOUNT,
    COOKIE,
    EVENTS,
    RAY,
    TEXT,
    TOKEN,
    OtherService,
    answers,
    whole,
)

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HEADERS = {"x-tenant": "tenant-of-jane"}
SECRETS = [TOKEN, ACCOUNT, RAY, RAY.partition("-")[0], COOKIE, HEADERS["x-tenant"], "127.0.0.1"]


async def ask_everything(base_url, account, token, client, async_client):
    """Return what every way of asking says, and the bytes that plain httpx gets."""
    settings = {
        "base_url": base_url,
        "account_id": account,
        "api_token": token,
        "default_headers": HEADERS,
        "http_client": client,
        "http_async_client": async_client,
    }
    langchain, llama_index = ChatCloudflareLlama(**settings), CloudflareLlama(**settings)
    texts = [
        langchain.invoke("invoke").text,
        "".join(chunk.text for chunk in langchain.stream("stream")),
        (await langchain.ainvoke("ainvoke")).text,
        "".join([chunk.text async for chunk in langchain.astream("astream")]),
        llama_index.complete("complete").text,
        "".join(chunk.delta or "" for chunk in llama_index.stream_complete("stream_complete")),
        (await llama_index.acomplete("acomplete")).text,
        "".join([chunk.delta or "" async for chunk in await llama_index.astream_complete("astream_complete")]),
    ]
    contents = []
    headers = {"authorization": f"Bearer {token}", **HEADERS}
    url = f"{base_url}/accounts/{account}/ai/run/{MODEL}"
    with httpx.Client(timeout=30) if client is None else contextlib.nullcontext(client) as plain:
        for stream in (False, True):
            body = {"messages": [{"role": "user", "content": "httpx"}], "stream": stream}
            contents.append(plain.post(url, json=body, headers=headers).content)
    return texts, contents


EXPECTED = [TEXT] * 8, [whole(TEXT), EVENTS]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


def check_secrets(path):
    text = path.read_text("utf-8").lower()
    assert not [secret for secret in SECRETS if secret.lower() in text]


async def test_transports_record_and_replay(path):
    with OtherService(answers) as service:
        recorder = Recorder(path)
        with httpx.Client(transport=RecorderTransport(recorder)) as client:
            async with httpx.AsyncClient(transport=AsyncRecorderTransport(recorder)) as async_client:
                assert await ask_everything(service.base_url, ACCOUNT, TOKEN, client, async_client) == EXPECTED
        assert len(service.requests) == 10
    check_secrets(path)
    transport = ReplayTransport(path)
    with httpx.Client(transport=transport) as client:
        async with httpx.AsyncClient(transport=transport) as async_client:
            replayed = await ask_everything(
                "https://nowhere.example/client/v4", "f" * 32, "other-token", client, async_client
            )
    assert replayed == EXPECTED


@pytest.mark.parametrize("speed", [None, 100])
async def test_a_proxy_records_and_the_emulator_replays(path, speed):
    with OtherService(answers) as service:
        with RecordingProxy(Recorder(path), upstream=service.base_url) as proxy:
            assert await ask_everything(proxy.base_url, ACCOUNT, TOKEN, None, None) == EXPECTED
        assert len(service.requests) == 10
    check_secrets(path)
    with serve(cassette=path, cassette_speed=speed) as emulator:
        replayed = await ask_everything(emulator.base_url, emulator.account_id, emulator.api_token, None, None)
    assert replayed == EXPECTED


async def test_an_unknown_question_is_an_error_that_says_what_differs(path):
    with OtherService(answers) as service, RecordingProxy(Recorder(path), upstream=service.base_url) as proxy:
        model = ChatCloudflareLlama(base_url=proxy.base_url, account_id=ACCOUNT, api_token=TOKEN)
        model.invoke("What is up?")
    with serve(cassette=path) as emulator:
        settings = {"base_url": emulator.base_url, "account_id": emulator.account_id, "api_token": emulator.api_token}
        for ask in (ChatCloudflareLlama(**settings).invoke, CloudflareLlama(**settings).complete):
            with pytest.raises(Exception, match=r'recorded "What is up\?", asked "What is new\?"'):
                ask("What is new?")
        assert len(emulator.requests) == 2
