"""langchain-cloudflare over the native route."""

from __future__ import annotations

from langchain_cloudflare import ChatCloudflareWorkersAI
from langchain_core.language_models import BaseChatModel

from benchmarks.speed.service import ACCOUNT_ID, TOKEN
from benchmarks.speed.subjects.langchain import LangChainSubject
from benchmarks.speed.task import Task
from cf_llama.protocol.model import MODEL


class Peer(LangChainSubject):
    """LangChain's package of Cloudflare's own."""

    name = "langchain-cloudflare"

    def model(self, task: Task) -> BaseChatModel:
        """Make the model."""
        del task
        url = self.service.base_url
        account = {"account_id": ACCOUNT_ID, "api_token": TOKEN}
        model: BaseChatModel = ChatCloudflareWorkersAI(model=MODEL, base_url=url, **account)
        return model
