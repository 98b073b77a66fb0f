"""What a subject weighs: pieces of a stream that are held, one more model, imports, and a process with one answer."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from time import perf_counter, process_time

from benchmarks.speed.clock import MICRO, MILLI
from benchmarks.speed.measure import Bench
from benchmarks.speed.names import CLOUDFLARE, LC, LI, NULL_LC, NULL_LI, OPENAI, OPENAI_LIKE
from benchmarks.speed.service import ACCOUNT_ID, TOKEN
from benchmarks.speed.task import Task
from cf_llama.protocol.model import MODEL


@dataclass(frozen=True, slots=True)
class Program:
    """A program that asks one question: what it imports, the model it makes, and how it asks."""

    imports: str
    model: str
    ask: str


_LANGCHAIN = """
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import BaseTool
"""
_OURS = "(base_url=base_url, account_id=account_id, api_token=token)"
_OPENAI_LIKE = "api_base=openai_url, api_key=token, is_chat_model=True, is_function_calling_model=True"

PROGRAMS = {
    NULL_LC: Program(_LANGCHAIN, "FakeListChatModel(responses=['Hello'])", "invoke"),
    NULL_LI: Program("from llama_index.core.llms import MockLLM", "MockLLM()", "complete"),
    LC: Program("from langchain_cf_llama import ChatCloudflareLlama", "ChatCloudflareLlama" + _OURS, "invoke"),
    LI: Program("from llama_index_cf_llama import CloudflareLlama", "CloudflareLlama" + _OURS, "complete"),
    CLOUDFLARE: Program(
        "from langchain_cloudflare import ChatCloudflareWorkersAI",
        "ChatCloudflareWorkersAI(model=model, base_url=base_url, account_id=account_id, api_token=token)",
        "invoke",
    ),
    OPENAI: Program(
        "from langchain_openai import ChatOpenAI",
        "ChatOpenAI(model=model, base_url=openai_url, api_key=token)",
        "invoke",
    ),
    OPENAI_LIKE: Program(
        "from llama_index.llms.openai_like import OpenAILike", f"OpenAILike(model=model, {_OPENAI_LIKE})", "complete"
    ),
}

_TIMED_IMPORT = "from time import perf_counter\nbegun = perf_counter()\n{imports}\nprint(perf_counter() - begun)"


def memory(bench: Bench, task: Task) -> float:
    """Bytes that an event of a stream holds when somebody keeps all pieces."""
    subject = bench.make(bench.service)
    ask = subject.streams(task)
    for _ in ask():
        pass
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        pieces = list(ask())
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        subject.close()
    return (after - before) / len(pieces)


def one_more_model(bench: Bench, models: int) -> float:
    """Processor time of making a model when there is one already, in microseconds."""
    program, names = PROGRAMS[bench.make.name], _names(bench)
    exec(program.imports, names)  # noqa: S102 - a program of ours
    make = compile(program.model, "model", "eval")
    eval(make, names)  # noqa: S307 - a program of ours
    begun = process_time()
    for _ in range(models):
        eval(make, names)  # noqa: S307 - a program of ours
    return (process_time() - begun) / models * MICRO


def imports(bench: Bench) -> float:
    """Time of the imports in a fresh process, in milliseconds."""
    return float(_fresh(_TIMED_IMPORT.format(imports=PROGRAMS[bench.make.name].imports))) * MILLI


def first_answer(bench: Bench) -> float:
    """Time of a whole process that asks one question, in milliseconds."""
    program, question = PROGRAMS[bench.make.name], Task().question
    settings = "\n".join(f"{name} = {value!r}" for name, value in _names(bench).items())
    begun = perf_counter()
    _fresh(f"{settings}\n{program.imports}\n{program.model}.{program.ask}({question!r})")
    return (perf_counter() - begun) * MILLI


def _names(bench: Bench) -> dict[str, object]:
    urls = {"base_url": bench.service.base_url, "openai_url": bench.service.openai_url}
    return {**urls, "account_id": ACCOUNT_ID, "token": TOKEN, "model": MODEL}


def _fresh(source: str) -> str:
    """What a program prints; bytecode is kept, as that of every installed package is."""
    command, environment = [sys.executable, "-c", source], {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - ours
    return done.stdout
