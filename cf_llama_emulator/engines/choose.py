"""Chooses an engine by its name on the command line."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cf_llama_emulator.engines.http import HttpEngine
from cf_llama_emulator.engines.local.weights import CATALOGUE, DEFAULT, lookup
from cf_llama_emulator.engines.rules.engine import RuleEngine
from cf_llama_emulator.wire.engine_protocol import Engine

FORMS = "auto, rule, local, local:NAME, gguf:/path/to/file.gguf or http://host:port/v1"


@dataclass(frozen=True, slots=True)
class Rules:
    """No model: the rule engine."""


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model of the catalogue, from the cache folder."""

    name: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Any GGUF file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Server:
    """Another server that speaks OpenAI's chat completions."""

    url: str
    model: str


Choice = Rules | PulledModel | ModelFile | Server


def choose(text: str, *, model: str | None, pulled: Collection[str], runtime: bool) -> Choice:
    """Read what `text` asks for, one of `FORMS`.

    Args:
        text: What the user wrote.
        model: The model's name on another server; the http form needs it and no other takes it.
        pulled: Names of the models in the cache folder.
        runtime: Whether xllamacpp is installed; `auto` falls back to the rules without it.

    Raises:
        ValueError: for any other text, a model that is not pulled, a `model` that is missing or too much.
    """
    if text.startswith(("http://", "https://")):
        if not model:
            raise ValueError(f"an engine model is needed as well: which model shall {text} think with?")
        return Server(text, model)
    if model:
        raise ValueError(f"an engine model goes with an http:// engine, not with {text!r}")
    kind, colon, rest = text.partition(":")
    match kind, rest:
        case "rule", "" if not colon:
            return Rules()
        case "auto", "" if not colon:
            return PulledModel(_largest(pulled)) if pulled and runtime else Rules()
        case "local", name if name or not colon:
            return _pulled(name, pulled)
        case "gguf", path if path:
            return ModelFile(Path(path).expanduser())
    raise ValueError(f"engine must be {FORMS}, not {text!r}")


def choose_for_this_machine(text: str, model: str | None = None) -> Choice:
    """Read `text` as `choose` does, with what is pulled and installed on this machine."""
    pulled = [name for name, weights in CATALOGUE.items() if weights.in_cache]
    return choose(text, model=model, pulled=pulled, runtime=importlib.util.find_spec("xllamacpp") is not None)


def start(choice: Choice, *, api_key: str | None = None, threads: int | None = None) -> Engine:
    """Start what was chosen; a local model is loaded, which takes some seconds.

    Args:
        choice: What to start.
        api_key: The key of another server, where it wants one.
        threads: Threads a local model thinks with; one less than there are cores unless given.

    Raises:
        LocalModelError: when a local model cannot be loaded; the message says what to do.
    """
    match choice:
        case Rules():
            return RuleEngine()
        case Server(url, model):
            return HttpEngine(url, model, api_key)
        case PulledModel(name):
            return _local(lookup(name).path, name, threads)
        case ModelFile(path):
            return _local(path, path.stem, threads)


def _pulled(name: str, pulled: Collection[str]) -> PulledModel:
    if not name and pulled:
        return PulledModel(_largest(pulled))
    name = lookup(name or DEFAULT).name
    if name not in pulled:
        raise ValueError(f"{name} is not on this machine yet: `cf-llama model pull {name}`")
    return PulledModel(name)


def _largest(pulled: Collection[str]) -> str:
    return max(pulled, key=lambda name: lookup(name).size)


def _local(path: Path, name: str, threads: int | None) -> Engine:
    # Imported late: only who thinks with a local model needs what it imports.
    from cf_llama_emulator.engines.local.engine import LocalEngine  # noqa: PLC0415 - see above

    return LocalEngine(path, name=name, threads=threads)
