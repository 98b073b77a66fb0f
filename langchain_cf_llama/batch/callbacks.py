"""How callbacks and traces see questions that are asked together: a run for each, as if it had been asked alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig

from cf_llama.batch import Outcome
from cf_llama.protocol.reply import Reply
from langchain_cf_llama.errors import to_langchain_error
from langchain_cf_llama.responses import to_message

_STRUCTURE = "ls_structured_output_format"
"""What LangChain's traces are told of a schema that is asked for; it is not sent."""


class CallbackRuns:
    """The runs of one model, called with the same options.

    Args:
        llm: The model that callbacks are told of.
        options: What was given for this call, `stop` among it.
    """

    def __init__(self, llm: BaseChatModel, options: Mapping[str, Any]) -> None:
        self._llm = llm
        self.stop = options.get("stop")
        self.options = {name: value for name, value in options.items() if name not in {"stop", _STRUCTURE}}
        """What is asked with the questions."""
        self._start_arguments = {
            "invocation_params": llm._get_invocation_params(stop=self.stop, **self.options),  # noqa: SLF001 - of every chat model
            "options": {"stop": self.stop, **{name: options[name] for name in options if name == _STRUCTURE}},
            "batch_size": 1,
        }
        self._traced = llm._get_ls_params_with_defaults(stop=self.stop, **self.options)  # noqa: SLF001 - as above

    def begin(self, messages: list[BaseMessage], config: RunnableConfig) -> CallbackManagerForLLMRun:
        """Tell that a question is asked."""
        manager = CallbackManager.configure(*self._configuration(config))
        [run] = manager.on_chat_model_start(self._llm._serialized, [messages], **self._start(config))  # noqa: SLF001 - as above
        return run

    async def abegin(self, messages: list[BaseMessage], config: RunnableConfig) -> AsyncCallbackManagerForLLMRun:
        """Tell that a question is asked."""
        manager = AsyncCallbackManager.configure(*self._configuration(config))
        [run] = await manager.on_chat_model_start(self._llm._serialized, [messages], **self._start(config))  # noqa: SLF001 - as above
        return run

    def _configuration(self, config: RunnableConfig) -> tuple[Any, ...]:
        llm = self._llm
        metadata = {**(config.get("metadata") or {}), **self._traced}
        return config.get("callbacks"), llm.callbacks, llm.verbose, config.get("tags"), llm.tags, metadata, llm.metadata

    def _start(self, config: RunnableConfig) -> dict[str, Any]:
        return self._start_arguments | {"name": config.get("run_name"), "run_id": config.get("run_id")}


def run_ended(run: CallbackManagerForLLMRun, result: Outcome) -> AIMessage | Exception:
    """Tell how a question ended, and return its answer."""
    if result.error:
        error = to_langchain_error(result.error)
        run_failed(run, error)
        return error
    message = _message(result.reply, run.run_id)
    run.on_llm_end(_result(message))
    return message


async def arun_ended(run: AsyncCallbackManagerForLLMRun, result: Outcome) -> AIMessage | Exception:
    """Tell how a question ended, and return its answer."""
    if result.error:
        error = to_langchain_error(result.error)
        await arun_failed(run, error)
        return error
    message = _message(result.reply, run.run_id)
    await run.on_llm_end(_result(message))
    return message


def run_failed(run: CallbackManagerForLLMRun, error: BaseException) -> None:
    """Tell that a question has no answer."""
    run.on_llm_error(error, response=LLMResult(generations=[]))


async def arun_failed(run: AsyncCallbackManagerForLLMRun, error: BaseException) -> None:
    """Tell that a question has no answer."""
    await run.on_llm_error(error, response=LLMResult(generations=[]))


def _message(reply: Reply | None, run_id: object) -> AIMessage:
    """The message, with an id made as for every other answer of a model of LangChain."""
    message = to_message(reply or Reply())
    message.id = f"lc_run--{run_id}-0"
    return message


def _result(message: AIMessage) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)]])
