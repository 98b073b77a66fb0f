"""What a terminal shows while a call waits."""

import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from cf_llama import Limits
from cf_llama.cli.waiting import limit_text, waiting_line

LIMITS = Limits(
    requests=20,
    window=60.0,
    counting="fixed",
    used=20,
    waiting=1,
    next_place=12.4,
    under_way=0,
    capacity=None,
    quota_until=None,
)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (None, ""),
        (replace(LIMITS, waiting=0), ""),
        (LIMITS, "waiting for the limit, 12 s"),
        (replace(LIMITS, next_place=None), "waiting for the limit"),
    ],
)
def test_only_what_waits_for_the_limit_says_so(limits, text):
    assert limit_text(limits) == text


def test_a_terminal_shows_the_line_as_long_as_the_call_waits():
    screen, drawn = io.StringIO(), threading.Event()

    def limits():
        drawn.set()
        return LIMITS

    with waiting_line(Console(file=screen, force_terminal=True, width=80), limits):
        assert drawn.wait(10)
    assert "waiting for the limit, 12 s" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is wiped


def test_nothing_is_drawn_where_there_is_no_terminal():
    screen = io.StringIO()
    with waiting_line(Console(file=screen, width=80), lambda: LIMITS):
        pass
    assert screen.getvalue() == ""
