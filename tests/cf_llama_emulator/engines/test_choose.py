"""From what a person writes to an engine."""

from pathlib import Path

import pytest

from cf_llama_emulator.engines.choose import (
    ModelFile,
    PulledModel,
    Rules,
    Server,
    choose,
    choose_for_this_machine,
    start,
)
from cf_llama_emulator.engines.http import HttpEngine
from cf_llama_emulator.engines.local.runtime import LocalModelError
from cf_llama_emulator.engines.rules.engine import RuleEngine

SMALL, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"
V1 = "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    ("text", "model", "pulled", "runtime", "choice"),
    [
        ("rule", None, [SMALL], True, Rules()),
        ("auto", None, [], True, Rules()),
        ("auto", None, [SMALL], False, Rules()),
        ("auto", None, [SMALL], True, PulledModel(SMALL)),
        ("auto", None, [SMALL, LARGE], True, PulledModel(LARGE)),
        ("local", None, [SMALL, LARGE], True, PulledModel(LARGE)),
        (f"local:{SMALL}", None, [SMALL, LARGE], False, PulledModel(SMALL)),
        ("gguf:/models/a:b.gguf", None, [], True, ModelFile(Path("/models/a:b.gguf"))),
        ("gguf:~/my.gguf", None, [], True, ModelFile(Path.home() / "my.gguf")),
        (V1, "llama3.2", [], False, Server(V1, "llama3.2")),
        ("https://host/v1", "m", [], False, Server("https://host/v1", "m")),
    ],
)
def test_each_form_is_read(text, model, pulled, runtime, choice):
    assert choose(text, model=model, pulled=pulled, runtime=runtime) == choice


@pytest.mark.parametrize(
    ("text", "model", "words"),
    [
        ("", None, "engine must be auto, rule, local, local:NAME, gguf:.* or http://host:port/v1, not ''"),
        ("rules", None, "engine must be"),
        ("rule:", None, "engine must be"),
        ("auto:x", None, "engine must be"),
        ("local:", None, "engine must be"),
        ("gguf:", None, "engine must be"),
        ("ftp://host", None, "engine must be"),
        ("local:gpt", None, f"no model 'gpt'; known are {SMALL}"),
        ("local", None, f"{SMALL} is not on this machine yet: `cf-llama model pull {SMALL}`"),
        (f"local:{LARGE}", None, f"model pull {LARGE}"),
        (V1, None, "which model shall"),
        ("rule", "llama3.2", "goes with an http:// engine, not with 'rule'"),
    ],
)
def test_everything_else_is_refused_with_what_is_allowed(text, model, words):
    with pytest.raises(ValueError, match=words):
        choose(text, model=model, pulled=[], runtime=True)


def test_this_machine_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("CF_LLAMA_CACHE", str(tmp_path))
    assert choose_for_this_machine("auto") == Rules()


def test_what_was_chosen_is_started(tmp_path):
    assert isinstance(start(Rules()), RuleEngine)
    assert isinstance(start(Server(V1, "llama3.2"), api_key="k"), HttpEngine)
    with pytest.raises(LocalModelError, match="there is no file"):
        start(ModelFile(tmp_path / "none.gguf"))
