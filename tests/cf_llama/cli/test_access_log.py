"""The lines of `cf-llama serve`, one for each request."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cf_llama.cli.access_log import AccessLogHandler, format_json, format_line, log_to_stdout
from cf_llama_emulator.server.access_log import AccessLogEntry

ENTRY = AccessLogEntry(
    time=datetime(2026, 11, 26, 15, 4, 5, 678_901, UTC),
    method="POST",
    route="/ai/run",
    model="@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    stream=False,
    status=200,
    prompt_tokens=12,
    completion_tokens=34,
    milliseconds=56.7,
    faults="",
    hung_up=False,
)
LINE = "15:04:05 POST /ai/run 200 57 ms 12+34 tokens llama-3.3-70b-instruct-fp8-fast"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, LINE),
        ({"stream": True}, LINE.replace("200", "200 stream")),
        ({"faults": "capacity, times=1"}, LINE.replace("tokens", "tokens [capacity, times=1]")),
        (
            {"status": None, "hung_up": True, "model": None, "prompt_tokens": None, "completion_tokens": None},
            "15:04:05 POST /ai/run --- client hung up 57 ms",
        ),
    ],
)
def test_a_line(changes, line):
    assert format_line(replace(ENTRY, **changes)).plain == line


def test_an_object():
    assert json.loads(format_json(ENTRY)) == {
        "time": "2026-11-26T15:04:05.678+00:00",
        "method": "POST",
        "route": "/ai/run",
        "model": "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "stream": False,
        "status": 200,
        "prompt_tokens": 12,
        "completion_tokens": 34,
        "milliseconds": 56.7,
        "faults": "",
        "hung_up": False,
    }


@pytest.mark.parametrize(
    ("terminal", "environment", "width", "written"),
    [
        (False, {}, 40, LINE),
        (True, {"NO_COLOR": "1"}, 80, LINE),
        (True, {"NO_COLOR": "1"}, 40, "15:04:05 POST /ai/run 200 57 ms 12+34 t…"),
    ],
)
def test_plain_lines_are_cut_by_a_terminal_alone(monkeypatch, terminal, environment, width, written):
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    file = io.StringIO()
    console = AccessLogHandler(
        file=file, force_terminal=terminal, width=width, color_system="standard" if terminal else None
    )
    log_to_stdout(console, "text")(ENTRY)
    plain = file.getvalue().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert plain == f"{written}\n"


@pytest.mark.parametrize(("status", "colour"), [(200, 32), (401, 33), (503, 31), (None, 31)])
def test_a_terminal_has_colours_by_the_status(monkeypatch, status, colour):
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    log_to_stdout(AccessLogHandler(file=file, force_terminal=True, width=100, color_system="standard"), "text")(
        replace(ENTRY, status=status)
    )
    assert f"\x1b[{colour}m{status or '---'}\x1b[0m" in file.getvalue()


def test_objects_are_whole_in_a_narrow_terminal():
    file = io.StringIO()
    log_to_stdout(AccessLogHandler(file=file, force_terminal=True, width=20), "json")(ENTRY)
    assert json.loads(file.getvalue()) == json.loads(format_json(ENTRY))
    assert file.getvalue().count("\n") == 1


class Broken(io.StringIO):
    def write(self, _):
        raise BrokenPipeError


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_reader_that_has_left_is_no_failure(form):
    log_to_stdout(AccessLogHandler(file=Broken()), form)(ENTRY)
