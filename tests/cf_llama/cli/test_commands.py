"""The list of commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cf_llama.cli.commands import COMMANDS, root

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_each_command_is_in_help_and_on_the_page(cf_llama):
    listed = re.findall(r"^  ([a-z]+)  ", cf_llama("--help").output.partition("Commands:")[2], re.MULTILINE)
    assert listed == sorted(COMMANDS) == list(COMMANDS)
    assert set(COMMANDS) <= set(re.findall(r"`([a-z]+)`", PAGE.read_text("utf-8")))


def test_each_option_on_the_page_is_one():
    options = {
        option for name in COMMANDS for param in command(name).params for option in (*param.opts, *param.secondary_opts)
    }
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE.read_text("utf-8"))) <= options


def command(name):
    return root.get_command(None, name)


def test_another_command_is_refused(cf_llama):
    done = cf_llama("asc")
    assert done.exit_code == 2
    assert "No such command 'asc'" in done.output


@pytest.mark.parametrize(("no_color", "coloured"), [("1", False), ("", True)])
def test_no_color_is_heeded(run, monkeypatch, no_color, coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b[" in run("doctor", color=True).stdout) is coloured


WITHOUT_EMULATOR = """
import sys
from cf_llama.cli.commands import root
root(["tokens"], standalone_mode=False)
print({"starlette", "cf_llama_emulator"} & sys.modules.keys() or "none")
"""


def test_a_command_that_needs_no_emulator_does_not_import_it():
    command = [sys.executable, "-c", WITHOUT_EMULATOR]
    done = subprocess.run(command, capture_output=True, text=True, input="Hi", check=True)  # noqa: S603 - the program above
    assert done.stdout.splitlines()[-1] == "none"


@pytest.mark.parametrize("command", [(), ("model",), *zip(COMMANDS, strict=True)])
def test_no_line_of_help_is_cut(cf_llama, command):
    assert "..." not in cf_llama(*command, "--help").output.replace("[ARGS]...", "")


@pytest.mark.parametrize("missing", ["click", "rich", "starlette"])
def test_what_is_missing_is_said_in_a_sentence(missing):
    program = f"import sys; sys.modules['{missing}'] = None; from cf_llama.cli import main; main()"
    done = subprocess.run(  # noqa: S603 - the program of the line above
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"cf-llama: {missing} is missing; install it with `pip install 'cf-llama[cli]'`.\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.parametrize("command", ["ask", "chat", "tokens", "doctor"])
def test_streams_that_are_closed_are_no_failure_of_ours(emulator, command, closed):
    shell = f"'{sys.executable}' -m cf_llama.cli {command} {closed}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, input="Hi", check=False)  # noqa: S603, S607 - our own command
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == (2 if (command, closed) == ("ask", "<&-") else 0)


def test_what_the_encoding_lacks_is_replaced(emulator):
    environment = os.environ | {"PYTHONIOENCODING": "latin-1:strict"}
    command = [sys.executable, "-m", "cf_llama.cli", "ask", "5 €"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout == "You said: 5 ?\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_words_are_utf8_in_every_locale(emulator, encoding):
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "cf_llama.cli", "ask", "--json", "5 \N{EURO SIGN}"]
    locale = environment if encoding == "ascii" else environment | {"PYTHONUTF8": "1"}
    done = subprocess.run(command, env=locale, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert emulator.requests[-1].body["messages"] == [{"role": "user", "content": "5 \N{EURO SIGN}"}]
    assert json.loads(done.stdout)["text"].startswith("You said: 5 ")


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are text there")
def test_words_that_are_no_utf8_are_refused(emulator):
    command = [sys.executable, "-m", "cf_llama.cli", "ask", b"5 \xff"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (done.returncode, "is no UTF-8" in done.stderr) == (2, True)


def test_a_slip_is_told_which_command_was_meant(cf_llama):
    done = cf_llama("aks")
    assert (done.exit_code, "No such command 'aks'. Did you mean ask?" in done.output) == (2, True)
    assert "Did you mean" not in cf_llama("weather").output
