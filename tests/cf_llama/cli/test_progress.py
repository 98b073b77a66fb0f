"""What a pull shows in a terminal."""

import io

from rich.console import Console

from cf_llama.cli.progress import ProgressBar
from cf_llama_emulator.engines.local.weights.sources import Hub


def shown(act):
    screen = io.StringIO()
    with ProgressBar(Console(file=screen, force_terminal=True, width=120), 2_000_000) as bar:
        act(bar)
    return screen.getvalue()


def test_nothing_is_drawn_before_bytes_are_asked_for():
    assert shown(lambda bar: None) == ""


def test_source_bytes_and_time_left_are_shown():
    def act(bar):
        bar.trying(Hub("https://hub.example/tiny.gguf"))
        bar.received(500_000)
        bar.received(2_000_000)

    text = shown(act)
    assert "from https://hub.example/tiny.gguf" in text
    assert "2.0/2.0 MB" in text
    assert "0:00:00" in text


def test_a_source_that_is_given_up_says_why():
    def act(bar):
        bar.trying(Hub("https://hub.example/tiny.gguf"))
        bar.failed(Hub("https://hub.example/tiny.gguf"), "answered [404] Not Found")

    assert "failed: answered [404] Not Found" in shown(act)
