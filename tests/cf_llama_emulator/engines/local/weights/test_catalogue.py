"""The catalogue: what is listed fits together, and where it is kept."""

from pathlib import Path

import pytest

from cf_llama_emulator.engines.local.weights import CATALOGUE, DEFAULT, lookup
from cf_llama_emulator.engines.local.weights.catalogue import folder


@pytest.mark.parametrize("weights", CATALOGUE.values(), ids=str)
def test_the_slices_make_up_the_file(weights):
    carrier = weights.carrier
    assert (carrier.slices - 1) * carrier.slice_bytes < weights.size <= carrier.slices * carrier.slice_bytes


def test_an_unknown_model_is_refused_with_the_known():
    with pytest.raises(ValueError, match=f"no model 'gpt'; known are {DEFAULT}, qwen2.5-coder-1.5b"):
        lookup("gpt")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CF_LLAMA_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own/models"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/cf-llama/models"),
        ({}, Path.home() / ".cache/cf-llama/models"),
    ],
)
def test_the_folder_follows_the_environment(monkeypatch, variables, expected):
    for name in ("CF_LLAMA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert folder() == Path(expected)


def test_the_hub_is_the_publishers_unless_a_mirror_is_named(monkeypatch):
    path = "/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert lookup(DEFAULT).url == "https://huggingface.co" + path
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    assert lookup(DEFAULT).url == "https://mirror.example" + path


def test_half_a_file_is_not_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CF_LLAMA_CACHE", str(tmp_path))
    weights = lookup(DEFAULT)
    assert not weights.in_cache
    weights.path.parent.mkdir()
    weights.path.write_bytes(b"GGUF")
    assert not weights.in_cache
