"""What a terminal shows while a call waits."""

import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from cf_llama import Limits
from cf_llama.cli.waiting import LimitNotice, waiting_line

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


@pytest.mark.parametrize("limits", [None, replace(LIMITS, waiting=0)])
def test_without_a_wait_nothing_is_said(limits):
    assert LimitNotice(lambda: limits).text() == ""


def test_a_wait_is_told_with_its_seconds_until_it_ends():
    def at(seconds, waiting):
        nonlocal now, limits
        now, limits = seconds, replace(LIMITS, waiting=waiting)
        return notice.text()

    now, limits = 0.0, LIMITS
    notice = LimitNotice(lambda: limits, lambda: now)
    assert at(100.0, 0) == ""
    assert at(101.0, 1) == "waiting for the limit, 0 s"
    assert at(102.0, 0) == "waiting for the limit, 1 s", "a request asks whether the limit still holds"
    assert at(103.0, 1) == "waiting for the limit, 2 s"
    assert at(105.1, 0) == ""
    assert at(200.0, 1) == "waiting for the limit, 0 s"


def test_a_terminal_shows_the_line_as_long_as_the_call_waits():
    screen, drawn = io.StringIO(), threading.Event()

    def limits():
        drawn.set()
        return LIMITS

    with waiting_line(Console(file=screen, force_terminal=True, width=80), limits):
        assert drawn.wait(10)
    assert "waiting for the limit, 0 s" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is wiped


def test_nothing_is_drawn_where_there_is_no_terminal():
    screen = io.StringIO()
    with waiting_line(Console(file=screen, width=80), lambda: LIMITS):
        pass
    assert screen.getvalue() == ""
