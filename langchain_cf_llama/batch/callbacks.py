"""Callbacks and traces of batched requests: one run per request, as if it was sent alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig

from cf_llama.batch import Outcome
from cf_llama.protocol.reply import Reply
from langchain_cf_llama.errors import to_langchain_error
from langchain_cf_llama.responses import generation, to_message

_STRUCTURE = "ls_structured_output_format"
"""Option with the requested schema, for LangChain's traces only; it is not sent."""


class CallbackRuns:
    """Starts the callback runs of one batch, which share a model and options.

    Args:
        llm: The model that callbacks see.
        options: The options of this call, including `stop`.
    """

    def __init__(self, llm: BaseChatModel, options: Mapping[str, Any]) -> None:
        self._llm = llm
        self.stop = options.get("stop")
        self.options = {name: value for name, value in options.items() if name not in {"stop", _STRUCTURE}}
        """The options sent with each request."""
        self._start_arguments = {
            "invocation_params": llm._get_invocation_params(stop=self.stop, **self.options),  # noqa: SLF001 - of every chat model
            "options": {"stop": self.stop, **{name: options[name] for name in options if name == _STRUCTURE}},
            "batch_size": 1,
        }
        self._traced = llm._get_ls_params_with_defaults(stop=self.stop, **self.options)  # noqa: SLF001 - as above

    def begin(self, messages: list[BaseMessage], config: RunnableConfig) -> CallbackManagerForLLMRun:
        """Start the run of a request."""
        manager = CallbackManager.configure(*self._configuration(config))
        [run] = manager.on_chat_model_start(self._llm._serialized, [messages], **self._start(config))  # noqa: SLF001 - as above
        return run

    async def abegin(self, messages: list[BaseMessage], config: RunnableConfig) -> AsyncCallbackManagerForLLMRun:
        """Start the run of a request."""
        manager = AsyncCallbackManager.configure(*self._configuration(config))
        [run] = await manager.on_chat_model_start(self._llm._serialized, [messages], **self._start(config))  # noqa: SLF001 - as above
        return run

    def answer(self, result: Outcome, run_id: object) -> AIMessage | Exception:
        """The message of a request, with an id and content in the forms LangChain gives every message, or its error."""
        if result.error:
            return to_langchain_error(result.error)
        message = to_message(result.reply or Reply())
        message.id = f"lc_run--{run_id}-0"
        if self._llm.output_version == "v1":
            message.response_metadata["output_version"] = "v1"
            message.content = cast("list[str | dict[str, Any]]", message.content_blocks)
        return message

    def _configuration(self, config: RunnableConfig) -> tuple[Any, ...]:
        llm = self._llm
        metadata = {**(config.get("metadata") or {}), **self._traced}
        return config.get("callbacks"), llm.callbacks, llm.verbose, config.get("tags"), llm.tags, metadata, llm.metadata

    def _start(self, config: RunnableConfig) -> dict[str, Any]:
        return self._start_arguments | {"name": config.get("run_name"), "run_id": config.get("run_id")}


def end_run(run: CallbackManagerForLLMRun, answer: AIMessage | BaseException) -> None:
    """End the run of a request with its message or error."""
    if isinstance(answer, AIMessage):
        run.on_llm_end(LLMResult(generations=[[generation(answer)]]))
    else:
        run.on_llm_error(answer, response=LLMResult(generations=[]))


async def aend_run(run: AsyncCallbackManagerForLLMRun, answer: AIMessage | BaseException) -> None:
    """End the run of a request with its message or error."""
    if isinstance(answer, AIMessage):
        await run.on_llm_end(LLMResult(generations=[[generation(answer)]]))
    else:
        await run.on_llm_error(answer, response=LLMResult(generations=[]))
