"""LlamaIndex's OpenAILike over the OpenAI route."""

from __future__ import annotations

from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-untyped] # it has no types
from openai import DefaultAsyncHttpxClient

from benchmarks.speed.service import TOKEN, Service
from benchmarks.speed.subjects.llama_index import LlamaIndexSubject
from benchmarks.speed.task import Task
from cf_llama import CONTEXT_WINDOW
from cf_llama.protocol.model import MODEL


class Peer(LlamaIndexSubject):
    """OpenAILike, told that the model chats and calls functions, and with the client that it would make itself."""

    name = "OpenAILike"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._async_client = DefaultAsyncHttpxClient()

    def model(self, task: Task) -> FunctionCallingLLM:
        """Make the model."""
        del task
        model: FunctionCallingLLM = OpenAILike(
            model=MODEL,
            api_base=self.service.openai_url,
            api_key=TOKEN,
            context_window=CONTEXT_WINDOW,
            is_chat_model=True,
            is_function_calling_model=True,
            async_http_client=self._async_client,
        )
        return model

    async def aclose(self) -> None:
        """Close the connections."""
        await self._async_client.aclose()
