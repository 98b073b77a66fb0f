"""What `help()` shows of each class: every setting, and examples that run as they stand."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from cf_llama import Settings
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

MODELS = [ChatCloudflareLlama, CloudflareLlamaLLM, CloudflareLlama]
TOPICS = {
    ChatCloudflareLlama: "invoke stream ainvoke astream bind_tools with_structured_output usage_metadata errors "
    "batch_queue ScriptedEmulator configurable_fields configurable_alternatives",
    CloudflareLlamaLLM: "invoke stream ainvoke batch generation_info errors",
    CloudflareLlama: "complete stream_chat achat chat_with_tools structured_predict raw WorkersAIError batch_queue "
    "astream_chat ScriptedEmulator",
}


@pytest.mark.parametrize("model", MODELS)
def test_the_page_names_every_setting_and_topic(model):
    page = inspect.getdoc(model)
    words = set(re.findall(r"\w+", page))
    assert Settings.model_fields.keys() <= words
    assert set(TOPICS[model].split()) <= words


@pytest.mark.parametrize("model", MODELS)
def test_the_examples_run(model, cf_llama_emulator):
    examples = re.findall(r"```python\n(.*?)```", inspect.getdoc(model), re.DOTALL)
    command = [sys.executable, "-c", "\n".join(examples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own documentation
    assert done.returncode == 0, done.stderr
    assert len(examples) >= 3
    assert len(cf_llama_emulator.requests) > len(examples)
    assert done.stdout


def test_the_methods_that_change_a_model_say_how():
    for method in (ChatCloudflareLlama.bind_tools, ChatCloudflareLlama.with_structured_output):
        page = inspect.getdoc(method)
        for name in inspect.signature(method).parameters.keys() - {"self"}:
            assert f"{name}:" in page
        assert {"Args:", "Returns:", "Raises:", "Examples:"} <= set(page.split())
