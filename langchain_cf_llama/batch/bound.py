"""The chat model with bound options, such as tools."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableBinding

from langchain_cf_llama.base import RedactedBinding
from langchain_cf_llama.batch.mixin import ChatRunnable, QueueMethods


class BoundChatModel(RedactedBinding, QueueMethods, RunnableBinding[LanguageModelInput, AIMessage]):  # type: ignore[no-redef] # LangChain's too
    """The chat model with bound options, which `queued` keeps; LangChain's binding would lose them."""

    def queued(self, **options: Any) -> ChatRunnable:
        """The bound model as a `Runnable` whose `batch` uses the batch queue; see `QueueMethods.queued`."""
        model = cast("QueueMethods", self.bound)
        return model.queued(**options).bind(**self.kwargs).with_config(self.config)
