"""Embeddings by clients that nobody here wrote: they are read, and the nearest passage is the right one."""

from __future__ import annotations

import pytest
from cloudflare import Cloudflare
from langchain_cloudflare import CloudflareWorkersAIEmbeddings
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.cloudflare_workersai import CloudflareEmbedding, base
from openai import OpenAI

from tests.cf_llama_emulator.engines.test_embeddings import PASSAGES, QUESTIONS

SMALL = "@cf/baai/bge-small-en-v1.5"


@pytest.fixture
def langchain(cf_llama_emulator):
    return CloudflareWorkersAIEmbeddings(
        account_id=cf_llama_emulator.account_id,
        api_token=cf_llama_emulator.api_token,
        api_base_url=f"{cf_llama_emulator.base_url}/accounts",
        model_name=SMALL,
    )


@pytest.fixture
def llama_index(cf_llama_emulator, monkeypatch):
    """Its address is a constant; nothing else of it is changed."""
    monkeypatch.setattr(base, "API_URL_TEMPLATE", f"{cf_llama_emulator.base_url}/accounts/{{}}/ai/run/{{}}")
    return CloudflareEmbedding(account_id=cf_llama_emulator.account_id, auth_token=cf_llama_emulator.api_token)


def test_langchain_finds_the_passage(langchain, cf_llama_emulator):
    store = InMemoryVectorStore.from_texts(PASSAGES, langchain)
    found = [store.similarity_search(question, k=1)[0].page_content for question, _ in QUESTIONS]
    assert found == [PASSAGES[position] for _, position in QUESTIONS]
    assert cf_llama_emulator.requests[0].body == {"text": PASSAGES}


async def test_langchain_finds_the_passage_for_a_task(langchain):
    store = await InMemoryVectorStore.afrom_texts(PASSAGES, langchain)
    question, position = QUESTIONS[0]
    [found] = await store.asimilarity_search(question, k=1)
    assert found.page_content == PASSAGES[position]


def test_llama_index_finds_the_passage(llama_index):
    index = VectorStoreIndex.from_documents([Document(text=text) for text in PASSAGES], embed_model=llama_index)
    retriever = index.as_retriever(similarity_top_k=1)
    found = [retriever.retrieve(question)[0].text for question, _ in QUESTIONS]
    assert found == [PASSAGES[position] for _, position in QUESTIONS]


async def test_llama_index_finds_the_passage_for_a_task(llama_index):
    vectors = await llama_index.aget_text_embedding_batch(PASSAGES)
    question, position = QUESTIONS[0]
    wanted = await llama_index.aget_query_embedding(question)
    scores = [llama_index.similarity(wanted, vector) for vector in vectors]
    assert scores.index(max(scores)) == position


def test_openais_own_client(openai_base_url, cf_llama_emulator):
    with OpenAI(base_url=openai_base_url, api_key=cf_llama_emulator.api_token, max_retries=0) as client:
        answer = client.embeddings.create(model="@cf/baai/bge-m3", input=["Hello", "there"])
    assert [len(entry.embedding) for entry in answer.data] == [1024, 1024]
    assert answer.usage.total_tokens == 4


def test_the_services_own_sdk(cf_llama_emulator):
    with Cloudflare(base_url=cf_llama_emulator.base_url, api_token=cf_llama_emulator.api_token) as client:
        answer = client.ai.run(SMALL, account_id=cf_llama_emulator.account_id, text=["Hello", "there"])
    assert answer["shape"] == [2, 384]
