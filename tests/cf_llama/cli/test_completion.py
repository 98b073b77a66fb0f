"""The command `completion`."""

import os
import shutil
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")])
def test_the_script_is_that_of_the_shell(run, shell, words):
    done = run("completion", shell)
    assert done.exit_code == 0
    assert words in done.stdout
    assert f"_CF_LLAMA_COMPLETE={shell}_complete" in done.stdout


def test_another_shell_is_refused_with_those_there_are(run):
    done = run("completion", "csh")
    assert done.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


def test_help_says_how_to_install_it(run):
    assert """echo 'eval "$(cf-llama completion bash)"' >> ~/.bashrc""" in run("completion", "--help").stdout


@pytest.mark.parametrize(
    ("words", "number", "found"), [("cf-llama do", 1, "doctor"), ("cf-llama ask --json-", 2, "--json-schema")]
)
def test_the_command_completes(words, number, found):
    environment = os.environ | {
        "_CF_LLAMA_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    command = [sys.executable, "-m", "cf_llama.cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout == f"plain,{found}\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_reads_the_script(run):
    script = run("completion", "bash").stdout + "\ncomplete -p cf-llama\n"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)  # noqa: S603, S607 - as above
    assert "_cf_llama_completion cf-llama" in done.stdout
