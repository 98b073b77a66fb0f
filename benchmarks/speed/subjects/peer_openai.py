"""LangChain's ChatOpenAI over the OpenAI route."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient

from benchmarks.speed.service import TOKEN, Service
from benchmarks.speed.subjects.langchain import LangChainSubject
from benchmarks.speed.task import Task
from cf_llama.protocol.model import MODEL


class Peer(LangChainSubject):
    """ChatOpenAI, with the asynchronous client that it would make itself: it keeps that beyond the end of its loop."""

    name = "ChatOpenAI"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._async_client = DefaultAsyncHttpxClient()

    def model(self, task: Task) -> BaseChatModel:
        """Make the model."""
        del task
        url, client = self.service.openai_url, self._async_client
        return ChatOpenAI(model=MODEL, base_url=url, api_key=TOKEN, http_async_client=client, stream_usage=True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._async_client.aclose()
